// Package kalshiauthtest provides a fake of Kalshi's auth API, in memory, for tests without a network and without an
// account:
//
//	srv := kalshiauthtest.NewServer()
//	defer srv.Close()
//	srv.AddUser("trader@example.com", "correct horse")
//
//	client, err := kalshiauth.New(kalshiauth.WithBaseURL(srv.URL))
//	...
//	session, err := client.Login(ctx, kalshiauth.Credentials{Email: "trader@example.com", Password: "correct horse"})
//
// The server checks each request against the API's OpenAPI document. It answers an invalid request with a 400 that
// names what is wrong and where.
//
// The server behaves like a careful provider. A wrong password and an unknown e-mail address get the same 401. A
// request presents its session in the cookie or in the Authorization header; if it has both, the header counts. A
// session ends by a log-out, by a new password, or when its lifetime is over. A request for a reset gets a 202 for
// every address, but only an account gets a mail with a code, which can be used once. Every error comes as JSON and in
// the headers code, message, details and service. Every response has the header X-Request-Id.
//
// # What a test can look at and change
//
// [Server.Outbox] returns the mails that were sent, with their codes. [Server.Requests] counts the requests for an
// operation, and [Server.RequestLog] returns the last requests without their secrets. [Server.Sessions] counts the
// sessions, and [Server.SessionList] lists them. [Server.ExpireSessions] ends all of them, so that the next request of
// a client gets a 401; [Server.ExpireSessionsOf] ends those of one account. [Server.Lock], [Server.Unlock] and
// [Server.SetPassword] change an account. [Server.ClearOutbox] and [Server.ClearRequestLog] forget what happened so
// far, and [Server.Reset] removes accounts, sessions and faults, too. [Server.Handle] serves an endpoint of your own to
// requests with a session:
//
//	srv.Handle("GET /portfolio/balance", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//		user, _ := kalshiauthtest.UserFromContext(r.Context())
//		...
//	}))
//
// # Faults
//
// [Server.Intercept] puts a middleware in front of the server. It can be any middleware. These are built in: [Status],
// [StatusRetryAfter], [Delay], [Hang], [CutBody], [Garbage], [HTML] and [Redirect]. [On] limits a fault to an operation
// or to a pattern of [Server.Handle], [OnPath] to any path, and [Times] to the first few requests:
//
//	srv.Intercept(kalshiauthtest.On("Login", kalshiauthtest.Times(2, kalshiauthtest.Status(503))))
//	...
//	srv.Intercept(nil) // no faults from now on
//
// # Time
//
// A listener stops the clock of testing/synctest. In a bubble, use a server that does not listen, and its transport,
// which answers requests to any host:
//
//	srv := kalshiauthtest.NewUnstartedServer()
//	client, err := kalshiauth.New(
//		kalshiauth.WithBaseURL("https://kalshi.example"),
//		kalshiauth.WithHTTPClient(&http.Client{Transport: srv.Transport()}))
//
// Invalid arguments, such as a fault for an operation that does not exist, panic.
package kalshiauthtest
