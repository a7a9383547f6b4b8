package kalshiauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

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
	session.Apply(req)
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

// A program that runs for longer than a session lives has a LoginSource. It logs in when need be, also in the middle of
// a request.
func ExampleClient_HTTPClient() {
	server := exampleServer()
	defer server.Close()

	client, err := kalshiauth.New(kalshiauth.WithBaseURL(server.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	source := client.LoginSource(kalshiauth.StaticCredentials(kalshiauth.Credentials{
		Email: "trader@example.com", Password: "correct horse",
	}))
	kalshi := client.HTTPClient(source)
	for range 2 {
		resp, err := kalshi.Get(client.BaseURL() + "/balance") //nolint:noctx // short, for the example
		if err != nil {
			fmt.Println(err)
			return
		}
		_, _ = io.Copy(os.Stdout, resp.Body)
		_ = resp.Body.Close()
		fmt.Println()
		server.ExpireSessions() // the next request finds out, logs in, and goes on
	}
	fmt.Println(source.Logout(context.Background()))
	// Output:
	// {"balance": 4200}
	// {"balance": 4200}
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
	// Output: Session(user 6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e) true <nil>
}

// Several accounts have a source and an HTTP client each. They share the Client and its connections.
func ExampleClient_LoginSource_accounts() {
	server := exampleServer()
	defer server.Close()
	server.AddUser("other@example.com", "another horse")
	client, err := kalshiauth.New(kalshiauth.WithBaseURL(server.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, account := range []kalshiauth.Credentials{
		{Email: "trader@example.com", Password: "correct horse"},
		{Email: "other@example.com", Password: "another horse"},
	} {
		kalshi := client.HTTPClient(client.LoginSource(kalshiauth.StaticCredentials(account)))
		resp, err := kalshi.Get(client.BaseURL() + "/balance") //nolint:noctx // short, for the example
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = resp.Body.Close()
		fmt.Println(account.Email, resp.StatusCode)
	}
	// Output:
	// trader@example.com 200
	// other@example.com 200
}

// The password can stay in a vault until a login needs it, and the source can renew the session before the server ends
// it.
func ExampleCredentialsFunc() {
	server := exampleServer()
	defer server.Close()
	client, err := kalshiauth.New(kalshiauth.WithBaseURL(server.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	vault := func(context.Context) (string, error) { return "correct horse", nil }
	source := client.LoginSource(func(ctx context.Context) (kalshiauth.Credentials, error) {
		password, err := vault(ctx)
		return kalshiauth.Credentials{Email: "trader@example.com", Password: password}, err
	}, kalshiauth.WithLifetime(25*time.Minute))
	session, err := source.Session(context.Background())
	fmt.Println(session.Valid(), err)
	// Output: true <nil>
}

// WithHTTPClient takes whatever the requests need: a proxy, certificates, or a transport that observes, such as that of
// otelhttp.
func ExampleWithHTTPClient() {
	server := exampleServer()
	defer server.Close()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = http.ProxyFromEnvironment
	observed := roundTripper(func(req *http.Request) (*http.Response, error) { // as otelhttp.NewTransport(transport)
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

// Middleware that retries, such as retryablehttp's, goes around the transport: each try then has the session, and
// nothing retries a login. Never put it into WithHTTPClient, since its transport follows redirects by itself.
func ExampleClient_Transport() {
	server := exampleServer()
	defer server.Close()
	server.Intercept(kalshiauthtest.Times(1, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/balance" {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			next.ServeHTTP(w, r)
		})
	}))
	client, err := kalshiauth.New(kalshiauth.WithBaseURL(server.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	source := client.LoginSource(kalshiauth.StaticCredentials(kalshiauth.Credentials{
		Email: "trader@example.com", Password: "correct horse",
	}))
	if _, err := source.Session(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	authenticated := client.Transport(source)
	retrying := &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := authenticated.RoundTrip(req) // as retryablehttp, with HTTPClient.Transport = authenticated
		if err == nil && resp.StatusCode == http.StatusBadGateway {
			_ = resp.Body.Close()
			return authenticated.RoundTrip(req)
		}
		return resp, err
	})}
	resp, err := retrying.Get(client.BaseURL() + "/balance") //nolint:noctx // short, for the example
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = resp.Body.Close()
	fmt.Println(resp.StatusCode)
	// Output: 200
}

// A WebSocket library takes the headers of its handshake: give it those that Apply sets.
func ExampleSession_Apply() {
	session := kalshiauth.SessionFromToken("6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e", "a-token") // or a source's
	handshake := &http.Request{Header: http.Header{}}
	session.Apply(handshake)
	fmt.Println(handshake.Header) // websocket.DialOptions{HTTPHeader: handshake.Header}
	// Output: map[Cookie:[sessions=a-token]]
}
