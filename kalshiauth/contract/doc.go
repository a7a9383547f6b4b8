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
// [Checker.Proxy] checks programs in any language: it is a reverse proxy between a program and a server. [Checker.HAR]
// checks recorded traffic. [Checker.Report] summarizes what a Checker has seen.
//
// [Run] checks a running server: it tries valid and invalid log-ins, log-outs and resets, and returns a [Report], which
// can be written for terminals and CI systems. The command "kalshiauth contract" does all of this.
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
//   - Only operations of the document are checked. With [WithUndocumented], requests with other paths and methods are
//     violations.
//   - Objects are open: an unknown field, parameter or header is not a violation.
//   - Parameters in the path, the query, headers and cookies follow their schemas, and so do the headers of responses.
//     A parameter that is no array has one value. Several lines of a header count as one line with commas.
//   - JSON is UTF-8, and nothing follows it. A body that is not JSON is checked only if its content type is that of a
//     form or of plain text.
//   - A body is checked after decoding. A response has only content codings that the request asked for, out of gzip,
//     deflate, br and zstd, and each body has the codings that it says.
//   - If the document has several statuses for a rejection, such as 400, 401 and 403 for a wrong password, each of them
//     is allowed.
//   - An error response that the document describes with fields of its JSONError has at least one of them, in its body,
//     in the object "error" of its body, or in its headers. A body with a JSON content type must always be JSON of the
//     documented form.
//   - A success without documented fields may have any body.
//   - If a body was not read to its end, a complete JSON value counts as the whole body. Other parts are not checked.
//
// The operations of this module's document follow more rules, with any document:
//   - A body with documented fields has at most 64 KiB. Of other operations, a body of up to 1 MiB is checked.
//   - A log-in sets the session cookie to the token, which may be escaped as in a URL. A browser stores the cookie and
//     sends it to the operations that use it, and a header can carry the token.
//
// # Secrets
//
// A [Violation] or [Report] contains no password, token, cookie value or reset code: it names the place and the kind of
// a value, not the value.
package contract
