package kalshiauth_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

// What a bare generated client gets wrong, and this package right. Module internal/bareclient has the wrong side.

func TestLoginFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the redirect was followed")
	}))
	t.Cleanup(thief.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for name, call := range operations {
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, strings.Replace(thief.URL, "127.0.0.1", "localhost", 1), status)
			})
			if err := call(t, client); kinds(err) != "ErrUnexpectedResponse" || !strings.Contains(err.Error(), "localhost") {
				t.Errorf("%s: %d: %v", name, status, err)
			}
		}
	}
}

func TestAResetCodeOfDotsIsNotSent(t *testing.T) {
	t.Parallel()
	client := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was called", r.URL) })
	for _, dots := range []string{".", ".."} {
		confirm := confirmation
		confirm.Code = dots
		if err := client.ResetPasswordConfirm(t.Context(), confirm); kinds(err) != "ErrInvalidInput" {
			t.Errorf("%q: %v", dots, err)
		}
	}
}

func TestANetworkErrorDoesNotShowTheResetCode(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	base := "http://" + listener.Addr().String()
	client := newClient(t, kalshiauth.WithBaseURL(base), kalshiauth.WithHTTPClient(&http.Client{Transport: &http.Transport{}}))
	err = client.ResetPasswordConfirm(t.Context(), confirmation)
	if err == nil || !strings.Contains(err.Error(), base) {
		t.Errorf("a closed connection: %v", err)
	}
	assertNoSecret(t, "a closed connection", err, code, newPassword)
	_ = listener.Close()
	err = client.ResetPasswordConfirm(t.Context(), confirmation)
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("no listener: %v", err)
	}
	assertNoSecret(t, "no listener", err, code, newPassword)
}

func TestAnHTMLPageIsNoLogin(t *testing.T) {
	t.Parallel()
	session, err := serve(t, reply(200, "<html>Welcome to the airport</html>", "Content-Type: text/html")).
		Login(t.Context(), credentials)
	if session != nil || kinds(err) != "ErrUnexpectedResponse" || !strings.Contains(err.Error(), "text/html") {
		t.Errorf("Login = %v, %v", session, err)
	}
}

func TestA401WithoutABodyIsA401(t *testing.T) {
	t.Parallel()
	for name, call := range operations {
		if err := call(t, serve(t, reply(401, "", "Content-Type: application/json"))); kinds(err) != "ErrUnauthorized" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestABodyWithoutEndIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	for name, call := range operations {
		for _, status := range []int{200, 400} {
			gone := make(chan struct{})
			client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				defer close(gone)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = io.Copy(w, endless(' ')) // until the client hangs up
			})
			if err := call(t, client); err == nil || kinds(err) == "" {
				t.Errorf("%s: %d: %v", name, status, err)
			}
			select {
			case <-gone:
			case <-time.After(10 * time.Second):
				t.Errorf("%s: %d: the connection is still open", name, status)
			}
		}
	}
}

func TestLoginResponseIsAModelOfTheGeneratedClient(t *testing.T) {
	t.Parallel()
	// That gen compiles beside the document's schema LoginResponse is what this package is built on.
	session, err := serve(t, reply(200, loginBody)).Login(t.Context(), credentials)
	if err != nil || session.UserID != userID || session.AccessLevel != "trading" || session.Token() != token {
		t.Errorf("Login = %v, %v", session, err)
	}
}
