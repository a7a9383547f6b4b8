// Package contract checks traffic and servers against the OpenAPI document of Kalshi's auth API.
//
// A [Checker] checks the traffic of a program or server. In a test, put its [Checker.Transport] below your client, or
// its [Checker.Middleware] in front of your server, and fail the test on each [Violation]:
//
//	checker, err := contract.New(baseURL, func(v contract.Violation) { t.Error(v) })
//	...
//	client, err := kalshiauth.New(kalshiauth.WithBaseURL(baseURL),
//		kalshiauth.WithHTTPClient(&http.Client{Transport: checker.Transport(http.DefaultTransport)}))
//
// [Checker.Proxy] does the same for programs of any language, and [Checker.HAR] for recorded traffic.
//
// [Run] checks a running server: it tries valid and invalid log-ins, log-outs and resets, and returns a [Report], which
// can be written for terminals and CI systems. The command "kalshiauth contract" does the same.
//
//	report, err := contract.Run(ctx, contract.Target{BaseURL: baseURL, Credentials: credentials})
//	...
//	err = report.Write(os.Stdout, contract.FormatText)
//
// Run derives from the document what an operation must refuse: a missing or malformed body, a missing value, a value
// of a wrong type or beyond a limit, a missing or altered session; and what it must take: unknown properties, escaped
// JSON, other cookies. What is refused for an unknown account is tried with the known one, too. Further checks
// combine operations: what ends a session and what does not, and what a reset changes.
//
// # What follows the contract
//
// The document describes the contract. This package interprets it as follows:
//   - Objects are open: an unknown field is not a violation.
//   - An error response has at least one field of the document's JSONError, in its body, in the object "error" of its
//     body, or in its headers. A body with a JSON content type must always be JSON of the documented form.
//   - A success without documented fields may have any body.
//   - A log-in sets the session cookie to the token, and a browser would send the cookie to the operations that use it.
//   - If the document has several statuses for a rejection, such as 400, 401 and 403 for a wrong password, each of them
//     is allowed.
//   - If the document has fields for a body, a body of more than 64 KiB is a violation. So is one that is not UTF-8,
//     and one with a content coding that the request did not ask for.
//   - Requests to paths and with methods that the document does not have are not checked.
//
// # Secrets
//
// A [Violation] or [Report] contains no password, token, cookie value or reset code: it names the place and the kind of
// a value, not the value.
package contract
