package contract_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// conforming are unusual servers that hold the contract.
var conforming = map[string]middleware{
	"extra fields": chain(loginFields(func(f map[string]any) {
		f["expires_in"], f["roles"], f["profile"] = 1800, []string{"a"}, map[string]any{"name": nil}
	}), errorsOf("", func(a *reply) {
		a.fields(func(f map[string]any) { f["trace"], f["errors"] = "3f", []int{1} })
	})),
	"extra headers": changed("", func(_ *http.Request, a *reply) {
		a.header.Set("X-Request-Id", "7")
		a.header.Add("Link", "<https://example.com>; rel=help")
		a.header.Add("Link", "<https://example.com>; rel=about")
		a.header.Set("WWW-Authenticate", "Cookie")
		a.header.Set("Strict-Transport-Security", "max-age=1")
	}),
	"errors in the headers only":                        errorsOf("", func(a *reply) { a.body = nil; a.header.Del("Content-Type") }),
	"errors in the headers, with an empty body of JSON": errorsOf("", func(a *reply) { a.body = nil }),
	"errors in the headers, and a page": errorsOf("", func(a *reply) {
		a.body = []byte("<h1>Sorry</h1>")
		a.header.Set("Content-Type", "text/html")
	}),
	"one field in the headers": errorsOf("", func(a *reply) { a.bare(); a.header.Set("message", "No."); a.body = nil }),
	"errors in the body only":  errorsOf("", func(a *reply) { a.bare() }),
	"one field in the body":    errorsOf("", func(a *reply) { a.bare(); a.body = []byte(`{"details":"No."}`) }),
	"errors nested in error": errorsOf("", func(a *reply) {
		a.bare()
		a.body = fmt.Appendf(nil, `{"error":%s}`, a.body)
	}),
	"400 for a wrong password":  errorsOf("Login", func(a *reply) { a.status = 400 }),
	"401 for all of a log-in":   errorsOf("Login", func(a *reply) { a.status = 401 }),
	"403 for a wrong password":  errorsOf("Login", func(a *reply) { a.status = 403 }),
	"400 for a dead session":    errorsOf("Logout", func(a *reply) { a.status = 400 }),
	"403 for a dead session":    errorsOf("Logout", func(a *reply) { a.status = 403 }),
	"400 for an unknown e-mail": unless(known, "ResetPassword", 400),
	"charset": changed("", func(_ *http.Request, a *reply) {
		if a.header.Get("Content-Type") != "" {
			a.header.Set("Content-Type", "application/json; charset=utf-8")
		}
	}),
	"capitals in the content type": changed("", func(_ *http.Request, a *reply) {
		if a.header.Get("Content-Type") != "" {
			a.header.Set("Content-Type", `Application/JSON ;Charset="UTF-8"`)
		}
	}),
	"chunks": func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a := answer(next, r)
			body := a.body
			a.body = nil
			a.write(w)
			for _, b := range body {
				_, _ = w.Write([]byte{b})
				_ = http.NewResponseController(w).Flush()
			}
		})
	},
	"headers in lower case": changed("", func(_ *http.Request, a *reply) {
		lower := http.Header{}
		for name, values := range a.header {
			lower[strings.ToLower(name)] = values
		}
		a.header = lower
	}),
	"white space around JSON": changed("", func(_ *http.Request, a *reply) {
		if len(a.body) > 0 {
			a.body = fmt.Appendf(nil, "\r\n\t %s \n\n", a.body)
		}
	}),
	"a Max-Age":              setCookie("sessions=%s; Path=/; Max-Age=1800"),
	"an Expires":             setCookie("sessions=%s; Path=/; Expires=" + time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)),
	"a bare cookie":          setCookie("sessions=%s"),
	"a cookie in quotes":     setCookie(`sessions="%s"; Path=/`),
	"a strict cookie":        setCookie("sessions=%s; Path=/; Secure; HttpOnly; SameSite=Strict; Partitioned; Priority=High"),
	"a cookie for 127.0.0.1": setCookie("sessions=%s; Path=/; Domain=127.0.0.1"),
	"a second cookie":        setCookie("lb=7; Path=/", "sessions=%s; Path=/", "csrf=x; Path=/admin"),
	"an old cookie deleted":  setCookie("sessions=; Path=/old; Max-Age=0", "sessions=%s; Path=/"),
	"a clock that is wrong": changed("Login", func(_ *http.Request, a *reply) {
		then := time.Now().Add(-1000 * time.Hour).UTC()
		a.header.Set("Date", then.Format(http.TimeFormat))
		a.header.Set("Set-Cookie", "sessions="+field(string(a.body), "token")+"; Expires="+then.Add(time.Hour).Format(http.TimeFormat))
	}),
	"a user_id in capitals":  loginFields(func(f map[string]any) { f["user_id"] = strings.ToUpper(f["user_id"].(string)) }),
	"a user_id of version 7": loginFields(func(f map[string]any) { f["user_id"] = "0198c1f2-7f3e-7cc1-9d0c-0a5e3f3c6b1e" }),
	"an empty access_level":  loginFields(func(f map[string]any) { f["access_level"] = "" }),
	"a body with a 202":      successes("ResetPassword", func(a *reply) { a.set(202, `{"status":"accepted"}`) }),
	"interim responses": func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			next.ServeHTTP(w, r)
		})
	},
	"connections that end": changed("", func(_ *http.Request, a *reply) { a.header.Set("Connection", "close") }),
}

// conformingStateful are those whose change needs the server.
var conformingStateful = map[string]func(*kalshiauthtest.Server) middleware{
	"one code for one attempt": func(*kalshiauthtest.Server) middleware {
		tried := &memory{}
		return replaced("ResetPasswordConfirm", func(w http.ResponseWriter, r *http.Request, _ string, _ http.Handler) bool {
			_, again := tried.get(r.URL.Path)
			tried.put(r.URL.Path, "")
			if again {
				a := &reply{header: http.Header{}}
				a.fail(400)
				a.write(w)
			}
			return again
		})
	},
	"quotes that are part of the cookie": func(*kalshiauthtest.Server) middleware {
		return chain(setCookie(`sessions="%s"; Path=/`),
			replaced("Logout", func(w http.ResponseWriter, r *http.Request, _ string, _ http.Handler) bool {
				line := r.Header.Get("Cookie")
				if bare := line == "" || strings.HasSuffix(line, `"`); bare {
					return false
				}
				a := &reply{header: http.Header{}}
				a.fail(401)
				a.write(w)
				return true
			}))
	},
	"one session at a time": func(srv *kalshiauthtest.Server) middleware {
		return replaced("Login", func(w http.ResponseWriter, r *http.Request, body string, next http.Handler) bool {
			if a := answer(next, r); a.status != 200 {
				a.write(w)
				return true
			}
			srv.ExpireSessions()
			next.ServeHTTP(w, withBody(r, body))
			return true
		})
	},
}

// conformingServers are whole servers.
var conformingServers = map[string]func(t *testing.T) contract.Target{
	"HTTP/2 with TLS": func(t *testing.T) contract.Target {
		t.Helper()
		srv := kalshiauthtest.NewUnstartedServer(kalshiauthtest.WithPathPrefix("/v1"))
		t.Cleanup(srv.Close)
		srv.AddUser(email, password)
		srv.AddUser(other.Email, other.Password)
		secure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ProtoMajor != 2 {
				t.Errorf("the protocol is %s", r.Proto)
			}
			srv.Handler().ServeHTTP(w, r)
		}))
		secure.EnableHTTP2 = true
		secure.StartTLS()
		t.Cleanup(secure.Close)
		return contract.Target{
			BaseURL: secure.URL + "/v1", HTTPClient: secure.Client(), Credentials: credentials, Other: other, ResetCode: outbox(srv),
		}
	},
	"a deep path and a slash at the end": func(t *testing.T) contract.Target {
		t.Helper()
		target := targetOf(newServer(t, kalshiauthtest.WithPathPrefix("/a/b-c/v1")))
		target.BaseURL += "/"
		return target
	},
	"a host with a name": func(t *testing.T) contract.Target {
		t.Helper()
		target := targetOf(newServer(t))
		target.BaseURL = strings.Replace(target.BaseURL, "127.0.0.1", "LOCALHOST", 1)
		return target
	},
	"a token in the Authorization header": func(t *testing.T) contract.Target {
		t.Helper()
		target := targetOf(newServer(t))
		target.Schemes = []string{"authorization"}
		return target
	},
}

func TestConformingServersAreNotReported(t *testing.T) {
	t.Parallel()
	var passed atomic.Int32
	holds := func(t *testing.T, target contract.Target) {
		t.Helper()
		report := run(t, target)
		if !report.OK() || report.Count(contract.Skipped) > 0 {
			t.Error(failures(report))
			return
		}
		passed.Add(1)
	}
	// check also watches the traffic. What stands in front of an API may add answers that the document does not have.
	check := func(t *testing.T, target contract.Target) {
		t.Helper()
		t.Parallel()
		checker, err := contract.New(target.BaseURL, func(v contract.Violation) {
			if v.In == contract.Response { // the requests are wrong on purpose
				t.Error(v)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		target.HTTPClient = &http.Client{Transport: checker.Transport(target.HTTPClient.Transport)}
		holds(t, target)
	}
	t.Run("servers", func(t *testing.T) {
		t.Parallel()
		for name, change := range conforming {
			t.Run(name, func(t *testing.T) {
				check(t, targetOf(serverWith(t, func(*kalshiauthtest.Server) middleware { return change })))
			})
		}
		for name, change := range moreConforming {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					srv := kalshiauthtest.NewUnstartedServer()
					defer srv.Close()
					srv.AddUser(email, password)
					srv.AddUser(other.Email, other.Password)
					srv.Intercept(change(srv))
					target := targetOf(srv)
					target.BaseURL, target.HTTPClient = "https://example.com", &http.Client{Transport: srv.Transport()}
					target.ResetCode = func(ctx context.Context, email string) (string, string, error) {
						code, userID, err := outbox(srv)(ctx, email)
						if own, ok := ownCodes.Load(srv); ok && err == nil {
							code = own.(func(string) string)(code)
						}
						return code, userID, err
					}
					holds(t, target)
				})
			})
		}
		for name, change := range conformingStateful {
			t.Run(name, func(t *testing.T) { check(t, targetOf(serverWith(t, change))) })
		}
		for name, target := range conformingServers {
			t.Run(name, func(t *testing.T) { check(t, target(t)) })
		}
	})
	t.Cleanup(func() {
		fmt.Printf("conforming servers: %d of %d passed\n", passed.Load(),
			len(conforming)+len(moreConforming)+len(conformingStateful)+len(conformingServers))
	})
}
