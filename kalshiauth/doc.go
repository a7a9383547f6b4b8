// Package kalshiauth logs in to Kalshi, and out again, and resets passwords.
//
// A [Client] talks to one server and holds no session. [Client.Login] returns a [Session], an immutable value that
// any number of goroutines may share:
//
//	client, err := kalshiauth.New()
//	...
//	session, err := client.Login(ctx, kalshiauth.Credentials{Email: email, Password: password})
//	...
//	req, err := http.NewRequestWithContext(ctx, "GET", client.BaseURL()+"/users/"+session.UserID+"/balance", nil)
//	...
//	session.Apply(req) // adds the session's cookie
//	resp, err := http.DefaultClient.Do(req)
//	...
//	err = client.Logout(ctx, session)
//
// A session lives for about half an hour, and nothing announces its end but a 401. A program that runs for longer has a
// [LoginSource], which logs in when there is no session, and its HTTP client, which presents the session to the API and
// renews it in the middle of a request:
//
//	source := client.LoginSource(kalshiauth.StaticCredentials(credentials))
//	kalshi := client.HTTPClient(source)
//	resp, err := kalshi.Get(client.BaseURL() + "/users/" + userID + "/balance")
//
// [WithStore] keeps the session between runs; package filestore has a store for processes of one machine.
//
// # What goes wrong
//
// An answer of the server that is not the documented success is an [*Error], which keeps the status and what the
// server said. [errors.Is] finds the kind of it: [ErrUnauthorized] for a wrong password or a session that is over,
// [ErrRateLimited], [ErrServer], or [ErrUnexpectedResponse] for an answer that no Kalshi server gives, such as the
// page of a captive portal. What fails before an answer wraps its cause: [ErrInvalidInput], a network error, or the
// context's.
//
// Calls are retried where that is safe; see [WithRetries].
//
// # Secrets
//
// Passwords, tokens, cookies and reset codes appear in no error, log record or fmt output of this package, and are
// sent nowhere but to the server that [WithBaseURL] names: redirects are not followed. A session's secret leaves
// only through [Session.Token], [Session.Cookie], [Session.Apply] and [Session.Export].
//
// # Testing
//
// Package kalshiauthtest has a server that behaves like Kalshi's, for tests without a network.
package kalshiauth
