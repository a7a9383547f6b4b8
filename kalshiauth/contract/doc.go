// Package contract holds traffic and servers against the OpenAPI document of Kalshi's auth API, which it embeds.
//
// A [Checker] looks at traffic that passes anyway. In a test of your own, put its [Checker.Transport] below your
// client, or its [Checker.Middleware] in front of your server, and fail the test on each [Violation]:
//
//	checker, err := contract.New(baseURL, func(v contract.Violation) { t.Error(v) })
//	...
//	client, err := kalshiauth.New(kalshiauth.WithBaseURL(baseURL),
//		kalshiauth.WithHTTPClient(&http.Client{Transport: checker.Transport(http.DefaultTransport)}))
//
// [Run] makes traffic of its own: it plays right and wrong log-ins, log-outs and resets against a live server, and
// returns a [Report], which writes itself in the formats that people and CI systems read. The command
// "kalshiauth contract" does the same on a terminal.
//
//	report, err := contract.Run(ctx, contract.Target{BaseURL: baseURL, Credentials: credentials})
//	...
//	err = report.Write(os.Stdout, contract.FormatText)
//
// # What holds the contract
//
// What the document describes, with these readings of it. Models are open: fields that nobody knows are no violation.
// An error response says at least one of code, message, details and service, in its body, in the object "error" of its
// body, or in its headers; a body that says to be JSON is JSON of the documented form whatever the headers say. A
// success without fields (202, 204) is one whatever its body. A log-in sets the cookie sessions to the token, in such a
// way that a browser sends it to the log-out. Where the document has several refusals, such as 400, 401 and 403 for a
// wrong password, each will do. Bodies of more than 64 KiB are a violation where the document has fields in them, since
// nobody looks further.
//
// # Secrets
//
// No password, token, cookie value or reset code is in a [Violation] or a [Report]: they name places and kinds, and
// show no values.
package contract
