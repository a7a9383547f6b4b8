// Package kalshiauthtest has a server that behaves as Kalshi's auth API does, in memory, for tests without a network
// and without an account:
//
//	srv := kalshiauthtest.NewServer()
//	defer srv.Close()
//	srv.AddUser("trader@example.com", "correct horse")
//
//	client, err := kalshiauth.New(kalshiauth.WithBaseURL(srv.URL))
//	...
//	session, err := client.Login(ctx, kalshiauth.Credentials{Email: "trader@example.com", Password: "correct horse"})
//
// It keeps what a careful provider promises. A wrong password and an unknown e-mail address are the same 401. A
// session is presented by its cookie or in the Authorization header, which decides where both are, and ends by a
// log-out, by a new password, or with its lifetime. A reset is 202 whoever asks, mails a code to an account only, and
// the code is good once. Every error comes as JSON and in the headers code, message, details and service.
//
// # What a test can look at and change
//
// [Server.Outbox] has the mails that were sent, with their codes. [Server.ExpireSessions] ends all sessions at once, so
// that the next call of a client meets a 401, and [Server.Sessions] counts them. [Server.Handle] serves an endpoint of
// your own to those who are logged in:
//
//	srv.Handle("GET /portfolio/balance", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//		user, _ := kalshiauthtest.UserFromContext(r.Context())
//		...
//	}))
//
// # What goes wrong, on demand
//
// [Server.Intercept] puts a middleware in front of everything. Any will do; the usual faults are here: [Status],
// [Delay], [Hang], [CutBody], [Garbage], [HTML] and [Redirect], which [On] limits to an operation and [Times] to the
// first few requests:
//
//	srv.Intercept(kalshiauthtest.On("Login", kalshiauthtest.Times(2, kalshiauthtest.Status(503))))
//	...
//	srv.Intercept(nil) // all is well again
//
// What a program calls wrongly, such as a fault for an operation that does not exist, panics.
package kalshiauthtest
