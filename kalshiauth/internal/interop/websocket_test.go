package interop_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// dialCoder opens a WebSocket with a session of source. A 401 is renewed by the client of source.
func dialCoder(ctx context.Context, source *autologin.Source, url string) (*coder.Conn, error) {
	conn, _, err := coder.Dial(ctx, url, &coder.DialOptions{HTTPClient: source.HTTPClient()}) //nolint:bodyclose // Dial closes it
	return conn, err
}

// dialGorilla opens a WebSocket with a session of source, and after a 401 with a new one.
func dialGorilla(ctx context.Context, dialer *gorilla.Dialer, client *kalshiauth.Client, source *autologin.Source,
	url string,
) (*gorilla.Conn, error) {
	for retry := false; ; retry = true {
		session, err := source.Session(ctx)
		if err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		if err := client.Authorize(req, session); err != nil {
			return nil, err
		}
		conn, resp, err := dialer.DialContext(ctx, url, req.Header) //nolint:bodyclose // needs no Close
		if resp == nil || resp.StatusCode != http.StatusUnauthorized || retry {
			return conn, err
		}
		source.Invalidate(session)
	}
}

// webSockets are the libraries. accept is a handler that greets, and greeting dials and reads what comes.
var webSockets = map[string]struct {
	accept   http.HandlerFunc
	greeting func(ctx context.Context, client *kalshiauth.Client, source *autologin.Source, url string) (string, error)
}{
	"coder": {
		func(w http.ResponseWriter, r *http.Request) {
			if conn, err := coder.Accept(w, r, nil); err == nil {
				_ = conn.Write(r.Context(), coder.MessageText, []byte(greetingOf(r)))
				_ = conn.CloseNow()
			}
		},
		func(ctx context.Context, _ *kalshiauth.Client, source *autologin.Source, url string) (string, error) {
			conn, err := dialCoder(ctx, source, url)
			if err != nil {
				return "", err
			}
			defer func() { _ = conn.CloseNow() }()
			_, message, err := conn.Read(ctx)
			return string(message), err
		},
	},
	"gorilla": {
		func(w http.ResponseWriter, r *http.Request) {
			if conn, err := new(gorilla.Upgrader).Upgrade(w, r, nil); err == nil {
				_ = conn.WriteMessage(gorilla.TextMessage, []byte(greetingOf(r)))
				_ = conn.Close()
			}
		},
		func(ctx context.Context, client *kalshiauth.Client, source *autologin.Source, url string) (string, error) {
			dialer := &gorilla.Dialer{}
			if config := client.HTTPClient().Transport.(*http.Transport).TLSClientConfig; config != nil {
				dialer.TLSClientConfig = &tls.Config{RootCAs: config.RootCAs, MinVersion: tls.VersionTLS12}
			}
			conn, err := dialGorilla(ctx, dialer, client, source, url)
			if err != nil {
				return "", err
			}
			defer func() { _ = conn.Close() }()
			_, message, err := conn.ReadMessage()
			return string(message), err
		},
	},
}

// greetingOf names the user of the session.
func greetingOf(r *http.Request) string {
	user, _ := kalshiauthtest.UserFromContext(r.Context())
	return "hello " + user.ID
}

func TestAWebSocketGetsASessionAndRenewsItAfterA401(t *testing.T) {
	t.Parallel()
	for name, library := range webSockets {
		for scheme, opts := range map[string][]kalshiauthtest.Option{"ws": nil, "wss": {kalshiauthtest.WithTLS()}} {
			for presented, clientOpts := range map[string][]kalshiauth.Option{
				"a cookie": nil, "Authorization": {kalshiauth.WithAuthorizationScheme("Bearer")},
			} {
				t.Run(name+" "+scheme+" with "+presented, func(t *testing.T) {
					t.Parallel()
					server := kalshiauthtest.NewServer(opts...)
					t.Cleanup(server.Close)
					user := server.AddUser(email, password)
					server.Handle("GET /stream", library.accept)
					client := newClient(t, server.Client(), append(clientOpts, kalshiauth.WithBaseURL(server.URL))...)
					source := newSource(t, client)
					url := strings.Replace(client.BaseURL(), "http", "ws", 1) + "/stream"
					for range 2 {
						message, err := library.greeting(t.Context(), client, source, url)
						if err != nil || message != "hello "+user.ID {
							t.Fatalf("got %q, error %v", message, err)
						}
						server.ExpireSessions()
					}
					want := "Login OK, GET /stream Switching Protocols, " +
						"GET /stream Unauthorized, Login OK, GET /stream Switching Protocols"
					if got := requestLog(server); got != want {
						t.Errorf("the requests are %s, want %s", got, want)
					}
				})
			}
		}
	}
}

func TestAWebSocketThroughOtelhttpIsASpan(t *testing.T) {
	t.Parallel()
	server := kalshiauthtest.NewServer()
	t.Cleanup(server.Close)
	server.AddUser(email, password)
	server.Handle("GET /stream", webSockets["coder"].accept)
	collected := newTelemetry(t)
	client := newClient(t, traced(server.Client().Transport, collected.options...), kalshiauth.WithBaseURL(server.URL))
	if _, err := webSockets["coder"].greeting(t.Context(), client, newSource(t, client), server.URL+"/stream"); err != nil {
		t.Fatal(err)
	}
	if got := collected.list(); len(got) != 2 || got[1] != "GET /stream 101 in no span" {
		t.Errorf("the spans are %q, want those of a log-in and of the handshake", got)
	}
}

// TestAWebSocketSendsNoSessionElsewhere follows a redirect of the handshake to another server.
func TestAWebSocketSendsNoSessionElsewhere(t *testing.T) {
	t.Parallel()
	for name, library := range webSockets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			elsewhere := kalshiauthtest.NewServer()
			t.Cleanup(elsewhere.Close)
			server := kalshiauthtest.NewServer()
			t.Cleanup(server.Close)
			server.AddUser(email, password)
			server.Handle("GET /stream", library.accept)
			server.Intercept(kalshiauthtest.On("GET /stream", kalshiauthtest.Redirect(307, elsewhere.URL+"/stream")))
			client := newClient(t, server.Client(), kalshiauth.WithBaseURL(server.URL))
			url := strings.Replace(server.URL, "http", "ws", 1) + "/stream"
			if _, err := library.greeting(t.Context(), client, newSource(t, client), url); err == nil {
				t.Error("the handshake succeeded")
			}
			if n := server.Requests("GET /stream"); n != 1 {
				t.Errorf("%d handshakes, want 1", n)
			}
			for _, r := range elsewhere.RequestLog() {
				if r.Header.Get("Cookie") != "" || r.Header.Get("Authorization") != "" {
					t.Errorf("a session went elsewhere: %+v", r)
				}
			}
		})
	}
}
