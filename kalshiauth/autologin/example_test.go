package autologin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func Example() {
	fake := kalshiauthtest.NewServer() // for this example; leave WithBaseURL out for Kalshi's own server
	defer fake.Close()
	fake.AddUser("trader@example.com", "correct horse battery")
	fake.Handle("GET /portfolio/balance", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `{"balance":100}`)
	}))

	client, err := kalshiauth.New(kalshiauth.WithBaseURL(fake.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	source, err := autologin.New(client, autologin.StaticCredentials(kalshiauth.Credentials{
		Email: "trader@example.com", Password: "correct horse battery",
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	kalshi := source.HTTPClient()
	for range 2 {
		resp, err := kalshi.Get(client.BaseURL() + "/portfolio/balance")
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		fmt.Println(resp.StatusCode, string(body))
		fake.ExpireSessions() // the next request meets a 401, logs in, and is sent again
	}
	if err := source.Logout(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(fake.Requests("Login"), "log-ins,", fake.Sessions(), "sessions left")
	// Output:
	// 200 {"balance":100}
	// 200 {"balance":100}
	// 2 log-ins, 0 sessions left
}

// exampleServer returns a fake server with a user, and a client of it.
func exampleServer() (*kalshiauthtest.Server, *kalshiauth.Client) {
	fake := kalshiauthtest.NewServer()
	fake.AddUser("trader@example.com", "correct horse battery")
	fake.Handle("GET /portfolio/balance", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `{"balance":100}`)
	}))
	client, err := kalshiauth.New(kalshiauth.WithBaseURL(fake.URL))
	if err != nil {
		panic(err)
	}
	return fake, client
}

var exampleCredentials = autologin.StaticCredentials(kalshiauth.Credentials{
	Email: "trader@example.com", Password: "correct horse battery",
})

func ExampleSource_HTTPClient() {
	fake, client := exampleServer()
	defer fake.Close()
	source, err := autologin.New(client, exampleCredentials, autologin.WithLifetime(30*time.Minute))
	if err != nil {
		fmt.Println(err)
		return
	}
	kalshi := source.HTTPClient()
	kalshi.Timeout = 10 * time.Second // it has none of its own
	resp, err := kalshi.Get(client.BaseURL() + "/portfolio/balance")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

// mapStore keeps a session in memory. Package filestore has a store that outlives the process.
type mapStore struct {
	mu   sync.Mutex
	data []byte
}

func (s *mapStore) Load(context.Context) (*kalshiauth.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.data == nil {
		return nil, kalshiauth.ErrNoSession
	}
	return kalshiauth.ImportSession(s.data)
}

func (s *mapStore) Save(_ context.Context, session *kalshiauth.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, err := session.Export() // holds the secret: protect it like a password
	if err == nil {
		s.data = data
	}
	return err
}

func (s *mapStore) Delete(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = nil
	return nil
}

func ExampleWithStore() {
	fake, client := exampleServer()
	defer fake.Close()
	store := &mapStore{}
	for range 2 { // two runs of a program
		source, err := autologin.New(client, exampleCredentials, autologin.WithStore(store))
		if err != nil {
			fmt.Println(err)
			return
		}
		if _, err := source.Session(context.Background()); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(fake.Requests("Login"), "log-in")
	// Output: 1 log-in
}

func ExampleCredentialsFunc() {
	fake, client := exampleServer()
	defer fake.Close()
	vault := map[string]string{"kalshi/trader@example.com": "correct horse battery"}

	source, err := autologin.New(client, func(ctx context.Context) (kalshiauth.Credentials, error) {
		password, ok := vault["kalshi/trader@example.com"] // asked for each log-in, so that the password can change
		if !ok {
			return kalshiauth.Credentials{}, errors.New("the vault has no password")
		}
		return kalshiauth.Credentials{Email: "trader@example.com", Password: password}, ctx.Err()
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	session, err := source.Session(context.Background())
	fmt.Println(session.Valid(), err)
	// Output: true <nil>
}

// tracing notes each request that is sent, as the transports of OpenTelemetry and other middleware do.
type tracing struct{ base http.RoundTripper }

func (t tracing) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	if err == nil {
		fmt.Println(req.Method, req.URL.Path, resp.StatusCode)
	}
	return resp, err
}

func ExampleTransport() {
	fake, client := exampleServer()
	defer fake.Close()
	source, err := autologin.New(client, exampleCredentials)
	if err != nil {
		fmt.Println(err)
		return
	}
	kalshi := &http.Client{Transport: &autologin.Transport{
		Client: client, Source: source, Base: tracing{http.DefaultTransport},
	}}
	for range 2 {
		resp, err := kalshi.Get(client.BaseURL() + "/portfolio/balance")
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = resp.Body.Close()
		fake.ExpireSessions()
	}
	// Output:
	// GET /portfolio/balance 200
	// GET /portfolio/balance 401
	// GET /portfolio/balance 200
}

func ExampleSource_Session() {
	fake, client := exampleServer()
	defer fake.Close()
	fake.Handle("GET /ws", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusSwitchingProtocols)
	}))
	source, err := autologin.New(client, exampleCredentials)
	if err != nil {
		fmt.Println(err)
		return
	}

	// A WebSocket library makes the handshake by itself, with the header that it is given.
	ctx := context.Background()
	session, err := source.Session(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	url := "ws" + strings.TrimPrefix(client.BaseURL(), "http") + "/ws"
	handshake, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := client.Authorize(handshake, session); err != nil { // refuses any server but this client's
		fmt.Println(err)
		return
	}
	status := dial(url, handshake.Header)
	if status == http.StatusUnauthorized {
		source.Invalidate(session) // the next call of Session logs in
	}
	fmt.Println(status)
	// Output: 101
}

// dial stands for a WebSocket library.
func dial(url string, header http.Header) (status int) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http"+strings.TrimPrefix(url, "ws"), nil)
	if err != nil {
		fmt.Println(err)
		return 0
	}
	req.Header = header.Clone()
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		fmt.Println(err)
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}
