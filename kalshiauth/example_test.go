package kalshiauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// exampleServer is the fake server, with a user and an endpoint of the rest of the API.
func exampleServer() *kalshiauthtest.Server {
	server := kalshiauthtest.NewServer()
	server.AddUser("trader@example.com", "correct horse")
	server.Handle("GET /balance", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"balance": 4200}`)
	}))
	return server
}

// Log in, use the session, log out.
func Example() {
	server := exampleServer() // in a program: kalshiauth.New() talks to production
	defer server.Close()
	ctx := context.Background()

	client, err := kalshiauth.New(kalshiauth.WithBaseURL(server.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	session, err := client.Login(ctx, kalshiauth.Credentials{Email: "trader@example.com", Password: "correct horse"})
	if err != nil {
		fmt.Println(err)
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, client.BaseURL()+"/balance", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := client.Authorize(req, session); err != nil {
		fmt.Println(err)
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(string(body), err)
	fmt.Println(client.Logout(ctx, session))
	// Output:
	// {"balance": 4200} <nil>
	// <nil>
}

func ExampleClient_Login_errors() {
	server := exampleServer()
	defer server.Close()
	client, err := kalshiauth.New(kalshiauth.WithBaseURL(server.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Login(context.Background(), kalshiauth.Credentials{Email: "trader@example.com", Password: "wrong horse"})
	var answer *kalshiauth.Error
	switch {
	case errors.Is(err, kalshiauth.ErrUnexpectedResponse):
		fmt.Println("something else than the API has answered: check the base URL")
	case errors.Is(err, kalshiauth.ErrUnauthorized):
		fmt.Println("ask for another password")
	case errors.Is(err, kalshiauth.ErrInvalidInput):
		fmt.Println("nothing was sent")
	}
	if errors.As(err, &answer) {
		fmt.Println(answer.StatusCode, answer.Code)
	}
	// Output:
	// ask for another password
	// 401 invalid_credentials
}

func ExampleClient_ResetPasswordConfirm() {
	server := exampleServer()
	defer server.Close()
	ctx := context.Background()
	client, err := kalshiauth.New(kalshiauth.WithBaseURL(server.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := client.ResetPassword(ctx, "trader@example.com"); err != nil {
		fmt.Println(err)
		return
	}
	mail := server.Outbox()[0] // in a program, the user reads it
	err = client.ResetPasswordConfirm(ctx, kalshiauth.PasswordResetConfirmation{
		Code: mail.Code, UserID: mail.UserID, NewPassword: "battery staple",
	})
	fmt.Println(err)
	// Output: <nil>
}

// A session can be kept as bytes. They hold its secret.
func ExampleImportSession() {
	session := kalshiauth.SessionFromToken("6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e", "a-token")
	data, err := session.Export()
	if err != nil {
		fmt.Println(err)
		return
	}
	again, err := kalshiauth.ImportSession(data)
	fmt.Println(again, again.Valid(), err)
	// Output: Session(user "6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e") true <nil>
}

// WithHTTPClient takes whatever the requests need: a proxy, certificates, or a transport that observes, such as that of
// otelhttp. The URL of ResetPasswordConfirm has the reset code: a transport that records URLs must leave it out, as
// .github/docs/interop.md shows.
func ExampleWithHTTPClient() {
	server := exampleServer()
	defer server.Close()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = http.ProxyFromEnvironment
	observed := roundTripper(func(req *http.Request) (*http.Response, error) { // like that of otelhttp
		fmt.Println(req.Method, req.URL.Path)
		return transport.RoundTrip(req)
	})
	client, err := kalshiauth.New(
		kalshiauth.WithBaseURL(server.URL),
		kalshiauth.WithHTTPClient(&http.Client{Transport: observed}),
		kalshiauth.WithUserAgent("mybot/1.2"),
		kalshiauth.WithLogger(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Login(context.Background(), kalshiauth.Credentials{Email: "trader@example.com", Password: "correct horse"})
	fmt.Println(err)
	// Output:
	// POST /log_in
	// <nil>
}

// A WebSocket library takes the header of its handshake. Authorize refuses a request to any other server than the
// client's own.
func ExampleClient_Authorize() {
	client, err := kalshiauth.New(kalshiauth.WithBaseURL("https://api.example.com/v1"))
	if err != nil {
		fmt.Println(err)
		return
	}
	session := kalshiauth.SessionFromToken("6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e", "a-token")
	for _, address := range []string{"wss://api.example.com/v1/stream", "wss://example.net/v1/stream"} {
		handshake, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		err = client.Authorize(handshake, session)
		fmt.Println(handshake.Header, err) // for instance websocket.DialOptions{HTTPHeader: handshake.Header}
	}
	// Output:
	// map[Cookie:[sessions=a-token]] <nil>
	// map[] kalshiauth: Authorize: invalid input: the request does not go to https://api.example.com:443
}
