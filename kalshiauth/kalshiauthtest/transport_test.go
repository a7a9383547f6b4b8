package kalshiauthtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func newRequest(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// newUnstartedServer returns a server in memory with one account.
func newUnstartedServer(t *testing.T) *kalshiauthtest.Server {
	t.Helper()
	srv := kalshiauthtest.NewUnstartedServer()
	t.Cleanup(srv.Close)
	srv.AddUser(email, password)
	return srv
}

func loginRequest(t *testing.T) *http.Request {
	t.Helper()
	req := newRequest(t, "POST", "https://kalshi.example/log_in", strings.NewReader(goodLogin))
	req.Header.Set("Content-Type", "application/json")
	return req
}

// reached is an answer that came through memory, and has been read.
type reached struct {
	*http.Response

	body string
}

// reach makes a request, and reads what there is to read.
func reach(srv *kalshiauthtest.Server, req *http.Request) (reached, error) {
	resp, err := srv.Transport().RoundTrip(req)
	if err != nil {
		return reached{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	return reached{resp, string(data)}, err
}

func TestTransportServesAnyHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := newUnstartedServer(t)
		jar, _ := cookiejar.New(nil)
		client := &http.Client{Transport: srv.Transport(), Jar: jar}
		for _, base := range []string{kalshiauth.ProductionURL, "http://127.0.0.1:1", "https://[::1]:8443"} {
			base, _, _ = strings.Cut(base, "/v1") // the server has no path prefix
			c, err := kalshiauth.New(kalshiauth.WithBaseURL(base), kalshiauth.WithHTTPClient(client))
			if err != nil {
				t.Fatal(err)
			}
			session, err := c.Login(t.Context(), kalshiauth.Credentials{Email: email, Password: password})
			if err != nil {
				t.Fatalf("log-in at %s: %v", base, err)
			}
			if err := c.Logout(t.Context(), session); err != nil {
				t.Errorf("log-out at %s: %v", base, err)
			}
		}
		if got := srv.Requests("Login"); got != 3 {
			t.Errorf("%d log-ins came, want 3", got)
		}
	})
}

func TestTransportNeedsThePathPrefix(t *testing.T) {
	t.Parallel()
	srv := kalshiauthtest.NewUnstartedServer(kalshiauthtest.WithPathPrefix("/v1"))
	for url, status := range map[string]int{"http://a/v1/log_out": 401, "http://a/log_out": 404} {
		resp, err := reach(srv, newRequest(t, "POST", url, nil))
		if err != nil || resp.StatusCode != status {
			t.Errorf("%s is %v, %v; want %d", url, resp, err, status)
		}
	}
}

func TestTransportAnswersLikeAConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := newUnstartedServer(t)
		req := loginRequest(t)
		header := req.Header.Clone()
		resp, err := reach(srv, req)
		if err != nil || resp.StatusCode != 200 || resp.Status != "200 OK" || resp.Request != req {
			t.Fatalf("the answer is %+v, %v", resp, err)
		}
		if resp.ContentLength != int64(len(resp.body)) || resp.Header.Get("Content-Length") != fmt.Sprint(len(resp.body)) {
			t.Errorf("the length is %d, %q; want %d", resp.ContentLength, resp.Header.Get("Content-Length"), len(resp.body))
		}
		if date := resp.Header.Get("Date"); date != time.Now().UTC().Format(http.TimeFormat) {
			t.Errorf("the date is %q, want the bubble's", date)
		}
		if !strings.Contains(resp.Header.Get("Set-Cookie"), "; Secure;") {
			t.Errorf("the cookie for https is %q, want a secure one", resp.Header.Get("Set-Cookie"))
		}
		if len(req.Header) != len(header) || req.URL.Host != "kalshi.example" {
			t.Error("the request was changed")
		}
		srv.Intercept(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusEarlyHints)
				w.Header().Set("X-Seen", fmt.Sprint(r.Method, r.Host, r.RequestURI, r.ContentLength, r.TLS == nil, r.URL))
				_, _ = io.WriteString(w, "<html>")
				w.WriteHeader(500)
				w.Header().Set("X-Late", "yes")
			})
		})
		req = newRequest(t, "", "http://kalshi.example/a%2Fb?c", struct{ io.Reader }{strings.NewReader("x")})
		req.Method, req.Header = "", nil
		resp, err = reach(srv, req)
		if err != nil || resp.StatusCode != 200 || resp.body != "<html>" || resp.Header.Get("X-Late") != "" {
			t.Errorf("the answer is %+v, %v", resp, err)
		}
		if got := resp.Header.Get("X-Seen"); got != "GETkalshi.example/a%2Fb?c-1 true /a%2Fb?c" {
			t.Errorf("the server saw %q", got)
		}
		if got := resp.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
			t.Errorf("the content type is %q, want what net/http finds", got)
		}
		srv.Intercept(nil)
		if resp, err = reach(srv, loginRequest(t)); err != nil {
			t.Fatal(err)
		}
		logout := newRequest(t, "POST", "http://kalshi.example/log_out", nil)
		logout.AddCookie(resp.Cookies()[0])
		if resp, err = reach(srv, logout); err != nil || resp.StatusCode != 204 || resp.ContentLength != 0 {
			t.Errorf("the log-out is %+v, %v", resp, err)
		}
		resp, err = reach(srv, newRequest(t, "HEAD", "http://kalshi.example/", nil))
		if err != nil || resp.StatusCode != 404 || resp.body != "" {
			t.Errorf("the answer to HEAD is %+v, %v", resp, err)
		}
	})
}

func TestTransportStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := newUnstartedServer(t)
		var left error
		srv.Intercept(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, "first")
				w.(http.Flusher).Flush()
				for left == nil {
					_, left = w.Write(bytes.Repeat([]byte("x"), 1000))
				}
				<-r.Context().Done()
			})
		})
		resp, err := srv.Transport().RoundTrip(newRequest(t, "GET", "http://kalshi.example/", nil))
		if err != nil || resp.ContentLength != -1 {
			t.Fatalf("the answer is %+v, %v; want one of unknown length", resp, err)
		}
		begin := make([]byte, 8)
		if _, err := io.ReadFull(resp.Body, begin); err != nil || string(begin) != "firstxxx" {
			t.Errorf("the body begins with %q, %v", begin, err)
		}
		_ = resp.Body.Close()
		synctest.Wait()
		if left == nil {
			t.Error("the handler still writes to a client that has left")
		}
	})
}

func TestTransportTakesAStreamAsBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := newUnstartedServer(t)
		srv.Intercept(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.(http.Flusher).Flush()
				_, _ = io.Copy(w, r.Body)
			})
		})
		reader, writer := io.Pipe()
		resp, err := srv.Transport().RoundTrip(newRequest(t, "POST", "http://kalshi.example/", reader))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		go func() {
			_, _ = io.WriteString(writer, "echo")
			_ = writer.Close()
		}()
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "echo" {
			t.Errorf("the body is %q, %v", body, err)
		}
	})
}

func TestTransportObeysTheContext(t *testing.T) {
	t.Parallel()
	stream := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})
	}
	for name, fault := range map[string]middleware{
		"Hang": kalshiauthtest.Hang(), "Delay": kalshiauthtest.Delay(time.Hour), "stream": stream,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := newUnstartedServer(t)
				srv.Intercept(fault)
				begin := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := reach(srv, loginRequest(t).WithContext(ctx))
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
					t.Errorf("after %v: %v, want the context's error", time.Since(begin), err)
				}
				wantSessions(t, srv, 0)
				_, err = reach(srv, loginRequest(t).WithContext(ctx))
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("with a context that has ended: %v", err)
				}
			})
		})
	}
}

func TestFaultsWorkThroughTheTransport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := newUnstartedServer(t)
		srv.Intercept(kalshiauthtest.CutBody())
		resp, err := reach(srv, loginRequest(t))
		if !errors.Is(err, io.ErrUnexpectedEOF) || resp.StatusCode != 200 || resp.body == "" {
			t.Errorf("a cut body is %q, %v", resp.body, err)
		}
		srv.Intercept(kalshiauthtest.Delay(time.Minute))
		begin := time.Now()
		if _, err := reach(srv, loginRequest(t)); err != nil || time.Since(begin) != time.Minute {
			t.Errorf("the delayed answer came after %v: %v", time.Since(begin), err)
		}
		srv.Intercept(kalshiauthtest.StatusRetryAfter(429, 1500*time.Millisecond))
		if resp, err := reach(srv, loginRequest(t)); err != nil || resp.Header.Get("Retry-After") != "2" {
			t.Errorf("the answer is %+v, %v; want Retry-After: 2", resp, err)
		}
		for _, c := range []struct {
			panics any
			want   string
		}{{http.ErrAbortHandler, "EOF"}, {"a bug", "a bug"}} {
			srv.Intercept(func(http.Handler) http.Handler {
				return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(c.panics) })
			})
			if _, err := reach(srv, loginRequest(t)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("a handler that panics is %v, want %s", err, c.want)
			}
		}
		srv.Intercept(kalshiauthtest.Hang())
		ended := make(chan error)
		go func() {
			_, err := reach(srv, loginRequest(t))
			ended <- err
		}()
		synctest.Wait()
		srv.Close()
		if err := <-ended; !errors.Is(err, io.EOF) {
			t.Errorf("a hanging request ends with %v", err)
		}
		if _, err := reach(srv, loginRequest(t)); err == nil {
			t.Error("a closed server answers")
		}
	})
}

func TestTransportHoldsToTheDeclaredLength(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := newUnstartedServer(t)
		for length, want := range map[string]error{"4": nil, "5": io.ErrUnexpectedEOF, "3": io.ErrUnexpectedEOF} {
			srv.Intercept(func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Length", length)
					_, err := io.WriteString(w, "four")
					if (length == "3") != errors.Is(err, http.ErrContentLength) {
						t.Errorf("writing 4 of %s bytes: %v", length, err)
					}
				})
			})
			resp, err := reach(srv, newRequest(t, "GET", "http://kalshi.example/", nil))
			if !errors.Is(err, want) || fmt.Sprint(resp.ContentLength) != length {
				t.Errorf("%s bytes declared: %d, %v; want %v", length, resp.ContentLength, err, want)
			}
		}
	})
}

// closing tells whether it was closed.
type closing struct {
	io.Reader
	closed chan struct{}
	once   sync.Once
}

func (c *closing) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func TestTransportClosesTheBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := newUnstartedServer(t)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		for name, ctx := range map[string]context.Context{"answered": t.Context(), "not sent": over} {
			for _, url := range []string{"http://kalshi.example/log_in", "ftp://kalshi.example/", "/log_in"} {
				body := &closing{Reader: strings.NewReader(goodLogin), closed: make(chan struct{})}
				_, err := reach(srv, newRequest(t, "POST", url, body).WithContext(ctx))
				if sent := name == "answered" && strings.HasPrefix(url, "http"); (err == nil) != sent {
					t.Errorf("%s, %s: %v", name, url, err)
				}
				select {
				case <-body.closed:
				default:
					t.Errorf("%s, %s: the body is open", name, url)
				}
			}
		}
	})
}

func TestAServersContextHasNoneOfTheClientsValues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := newUnstartedServer(t)
		type key struct{}
		srv.Intercept(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.Context().Value(key{}) != nil {
					t.Error("the server sees a value of the client's context")
				}
			})
		})
		ctx := context.WithValue(t.Context(), key{}, "value")
		if _, err := reach(srv, loginRequest(t).WithContext(ctx)); err != nil {
			t.Error(err)
		}
	})
}
