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
