package kalshiauthtest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// In a test, t.Cleanup(server.Close) and t.Fatal(err).
func Example() {
	server := kalshiauthtest.NewServer()
	defer server.Close()
	server.AddUser("trader@example.com", "correct horse")
	server.Handle("GET /balance", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := kalshiauthtest.UserFromContext(r.Context())
		_, _ = fmt.Fprintf(w, "the balance of %s", user.Email)
	}))

	client, err := kalshiauth.New(kalshiauth.WithBaseURL(server.URL), kalshiauth.WithRetries(0))
	if err != nil {
		fmt.Println(err)
		return
	}
	trader := kalshiauth.Credentials{Email: "trader@example.com", Password: "correct horse"}
	session, err := client.Login(context.Background(), trader)
	fmt.Println(session.Valid(), err, server.Sessions())

	server.ExpireSessions()
	fmt.Println(errors.Is(client.Logout(context.Background(), session), kalshiauth.ErrUnauthorized))

	server.Intercept(kalshiauthtest.On("Login", kalshiauthtest.Status(http.StatusServiceUnavailable)))
	_, err = client.Login(context.Background(), trader)
	fmt.Println(errors.Is(err, kalshiauth.ErrUnavailable))
	// Output:
	// true <nil> 1
	// true
	// true
}

// A server without a listener serves every host, also in a bubble of testing/synctest.
func ExampleServer_Transport() {
	server := kalshiauthtest.NewUnstartedServer(kalshiauthtest.WithPathPrefix("/v1"))
	defer server.Close()
	server.AddUser("trader@example.com", "correct horse")

	// No base URL: the client believes that it talks to Kalshi.
	client, err := kalshiauth.New(kalshiauth.WithHTTPClient(&http.Client{Transport: server.Transport()}))
	if err != nil {
		fmt.Println(err)
		return
	}
	trader := kalshiauth.Credentials{Email: "trader@example.com", Password: "correct horse"}
	session, err := client.Login(context.Background(), trader)
	fmt.Println(session.Valid(), err)
	// Output: true <nil>
}

func ExampleServer_RequestLog() {
	server := kalshiauthtest.NewServer()
	defer server.Close()
	server.AddUser("trader@example.com", "correct horse")
	server.Lock("trader@example.com")

	client, err := kalshiauth.New(kalshiauth.WithBaseURL(server.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	trader := kalshiauth.Credentials{Email: "trader@example.com", Password: "correct horse"}
	_, err = client.Login(context.Background(), trader)
	fmt.Println(errors.Is(err, kalshiauth.ErrForbidden), server.Requests("Login"))
	last := server.RequestLog()[0]
	fmt.Println(last.Method, last.Path, last.Operation, last.Status, last.Body)
	// Output:
	// true 1
	// POST /log_in Login 403 {"email":"trader@example.com","password":"[redacted]"}
}

// A path that the server does not serve can have faults, too.
func ExampleOnPath() {
	server := kalshiauthtest.NewServer()
	defer server.Close()
	server.Intercept(kalshiauthtest.OnPath("/portfolio/{rest...}", kalshiauthtest.HTML(http.StatusBadGateway)))

	for _, path := range []string{"/portfolio/orders", "/markets"} {
		resp, err := server.Client().Get(server.URL + path)
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = resp.Body.Close()
		fmt.Println(resp.StatusCode)
	}
	// Output:
	// 502
	// 404
}

func ExampleServer_SessionList() {
	server := kalshiauthtest.NewServer()
	defer server.Close()
	server.AddUserWithID("4d519708-24e1-4eaf-a0bd-d1cc3689779d", "trader@example.com", "correct horse")

	client, err := kalshiauth.New(kalshiauth.WithBaseURL(server.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	trader := kalshiauth.Credentials{Email: "trader@example.com", Password: "correct horse"}
	if _, err := client.Login(context.Background(), trader); err != nil {
		fmt.Println(err)
		return
	}
	for _, session := range server.SessionList() {
		fmt.Println(session.User.ID, session.User.Email, session.Expiry.Sub(session.IssuedAt))
	}
	// Output: 4d519708-24e1-4eaf-a0bd-d1cc3689779d trader@example.com 30m0s
}
