package kalshiauth_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
)

const (
	email       = robustness.Email
	password    = robustness.Password
	newPassword = robustness.NewPassword
	userID      = robustness.UserID
	token       = robustness.Token
	code        = robustness.Code
	loginBody   = robustness.LoginBody
)

type roundTripper = robustness.RoundTripper

var (
	newClient = robustness.NewClient
	inMemory  = robustness.InMemory
	reply     = robustness.Reply
	kinds     = robustness.Kinds
)

var (
	credentials  = kalshiauth.Credentials{Email: email, Password: password}
	confirmation = kalshiauth.PasswordResetConfirmation{Code: code, UserID: userID, NewPassword: newPassword}
)

// operations are those of the document. Tests that walk them cover each new one.
var operations = robustness.Operations()

// serve starts a server and returns a client of it, without retries unless opts say otherwise.
func serve(t *testing.T, handler http.HandlerFunc, opts ...kalshiauth.Option) *kalshiauth.Client {
	t.Helper()
	network := pipes{
		dialed: make(chan net.Conn), closed: make(chan struct{}),
		addr: net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port.Add(1))},
	}
	srv := httptest.Server{Listener: &network, Config: &http.Server{Handler: handler}} //nolint:gosec // only ours dial
	srv.Start()
	t.Cleanup(srv.Close)
	pool := &http.Transport{DialContext: network.dial}
	t.Cleanup(pool.CloseIdleConnections)
	return newClient(t, append([]kalshiauth.Option{
		kalshiauth.WithBaseURL(srv.URL), kalshiauth.WithRetries(0), kalshiauth.WithHTTPClient(&http.Client{
			Transport: checked(t, srv.URL, pool, contract.Request),
		}),
	}, opts...)...)
}

// pipes are a network in memory, of one server: hundreds of servers on loopback, again and again, use up its ports.
type pipes struct {
	dialed chan net.Conn
	closed chan struct{}
	once   sync.Once // for closed
	addr   net.TCPAddr
}

var port atomic.Int64 // of the last server

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.dialed:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &p.addr }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	server, client := net.Pipe()
	select {
	case p.dialed <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// checked holds what passes through a transport against the document, and fails the test where one of the sides breaks
// it. Paths that the document does not have are endpoints of the tests' own.
func checked(t *testing.T, baseURL string, transport http.RoundTripper, sides ...contract.Side) http.RoundTripper {
	t.Helper()
	checker, err := contract.New(baseURL, func(v contract.Violation) {
		if v.Operation != "" && slices.Contains(sides, v.In) {
			t.Error(v)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return checker.Transport(transport)
}
