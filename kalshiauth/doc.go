// Package kalshiauth logs in to Kalshi's API, logs out, and resets passwords.
//
// A [Client] calls one server and holds no session. [Client.Login] returns a [Session], an immutable value that any
// number of goroutines may share. [Client.Authorize] adds the session to requests to the rest of the API:
//
//	client, err := kalshiauth.New()
//	...
//	session, err := client.Login(ctx, kalshiauth.Credentials{Email: email, Password: password})
//	...
//	req, err := http.NewRequestWithContext(ctx, "GET", client.BaseURL()+"/users/"+session.UserID+"/balance", nil)
//	...
//	err = client.Authorize(req, session)
//	...
//	resp, err := client.HTTPClient().Do(req)
//	...
//	err = client.Logout(ctx, session)
//
// Users report that a session expires after about half an hour. The server does not announce this: a request gets a
// 401. A program that runs longer uses package autologin. Its HTTP client logs in, adds the session to each request,
// and replaces a session that has ended. Package filestore keeps the session in a file between runs.
//
// # What goes wrong
//
// A response that is not the documented success becomes an [*Error], with the status and the server's error message.
// [errors.Is] tells its kind:
//
//   - [ErrUnauthorized]: the password is wrong, or the session has ended.
//   - [ErrForbidden]: the server does not allow this to the account.
//   - [ErrBadRequest]: the request is malformed, or the reset code is wrong.
//   - [ErrRateLimited], [ErrServer], [ErrUnavailable]: try again later.
//   - [ErrUnexpectedResponse]: the API's document does not describe the response. It may come from a proxy, or from a
//     host that no longer serves this API. Check for this kind first: a 401 with an HTML page matches
//     [ErrUnauthorized], too, but says nothing about the password.
//
// Other errors mean that there was no response. They wrap their cause. [ErrInvalidInput] and [ErrNoSession] are
// mistakes of the caller: nothing was sent. The rest are errors of the network or the context. Calls are retried where
// that is safe: see [WithRetries].
//
// # Secrets
//
// No error, log record or fmt output of this package shows the password, token, cookie value or reset code of a call,
// even if the server or a network error repeats it. Secrets of fewer than 4 bytes are not masked. The calls of [Client]
// follow no redirect, so that a password goes only to the server that [WithBaseURL] names. Only [Session.Token],
// [Session.Cookie], [Session.Export] and [Client.Authorize] give access to a session's secret.
//
// # Testing
//
// Package kalshiauthtest has a fake server, for tests without a network or an account.
package kalshiauth
