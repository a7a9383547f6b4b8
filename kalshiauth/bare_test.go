package kalshiauth_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/gen"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
)

// Package gen is a client as oapi-codegen makes it. This is what it does wrong, and what Client does instead.
func TestWhatABareGeneratedClientDoesWrong(t *testing.T) {
	t.Parallel()
	confirmBody := gen.ConfirmPasswordResetRequest{UserID: userID, Password: newPassword}
	loginRequest := gen.LoginRequest{Email: email, Password: password}
	dots := confirmation
	dots.Code = ".."
	type clients struct {
		bare *gen.ClientWithResponses
		ours *kalshiauth.Client
	}
	for _, test := range []struct {
		situation string
		answer    func(req *http.Request) (*http.Response, error)
		bare      func(c clients) (what string)
		ours      func(c clients) error
		want      string // what the bare client does
		wantOurs  string // the kinds of our error
		sent      int    // requests of ours
	}{
		{
			situation: "307 from /log_in to another host",
			answer: func(req *http.Request) (*http.Response, error) {
				return response(307, "", "Location: https://thief.example.com/"+req.URL.Host), nil
			},
			bare: func(c clients) string {
				var sent []string
				c.bare = bareClient(t, func(req *http.Request) (*http.Response, error) {
					body, _ := io.ReadAll(req.Body)
					sent = append(sent, fmt.Sprint(req.URL.Host, " gets the password: ", strings.Contains(string(body), password)))
					if len(sent) == 1 {
						return response(307, "", "Location: https://thief.example.com/"), nil
					}
					return response(200, loginBody), nil
				})
				_, _ = c.bare.LoginWithResponse(t.Context(), loginRequest)
				return strings.Join(sent[1:], ", ")
			},
			want:     "thief.example.com gets the password: true",
			ours:     func(c clients) error { _, err := c.ours.Login(t.Context(), credentials); return err },
			wantOurs: "ErrUnexpectedResponse", sent: 1,
		},
		{
			situation: "reset code ..",
			answer: func(req *http.Request) (*http.Response, error) {
				return response(204, "", "X-Path: "+req.URL.Path), nil
			},
			bare: func(c clients) string {
				resp, err := c.bare.ResetPasswordConfirmWithResponse(t.Context(), "..", confirmBody)
				if err != nil {
					return err.Error()
				}
				return "calls " + resp.HTTPResponse.Header.Get("X-Path")
			},
			want:     "calls /v1/passwords/confirm",
			ours:     func(c clients) error { return c.ours.ResetPasswordConfirm(t.Context(), dots) },
			wantOurs: "ErrInvalidInput", sent: 0,
		},
		{
			situation: "network error while confirming a reset",
			answer:    func(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset") },
			bare: func(c clients) string {
				_, err := c.bare.ResetPasswordConfirmWithResponse(t.Context(), "one-time-code", confirmBody)
				return fmt.Sprint("shows the code: ", strings.Contains(err.Error(), "one-time-code"))
			},
			want:     "shows the code: true",
			ours:     func(c clients) error { return c.ours.ResetPasswordConfirm(t.Context(), confirmation) },
			wantOurs: "", sent: 1,
		},
		{
			situation: "200 with an HTML page",
			answer: func(*http.Request) (*http.Response, error) {
				return response(200, "<html>Welcome to the airport</html>", "Content-Type: text/html"), nil
			},
			bare: func(c clients) string {
				resp, err := c.bare.LoginWithResponse(t.Context(), loginRequest)
				return fmt.Sprint("error ", err, ", result ", resp.JSON200)
			},
			want:     "error <nil>, result <nil>",
			ours:     func(c clients) error { _, err := c.ours.Login(t.Context(), credentials); return err },
			wantOurs: "ErrUnexpectedResponse", sent: 1,
		},
		{
			situation: "401 of JSON without a body",
			answer:    func(*http.Request) (*http.Response, error) { return response(401, ""), nil },
			bare: func(c clients) string {
				resp, err := c.bare.LoginWithResponse(t.Context(), loginRequest)
				return fmt.Sprint("error ", err, ", response ", resp)
			},
			want:     "error unexpected end of JSON input, response <nil>",
			ours:     func(c clients) error { _, err := c.ours.Login(t.Context(), credentials); return err },
			wantOurs: "ErrUnauthorized ErrUnexpectedResponse", sent: 1,
		},
		{
			situation: "a response body without end",
			answer: func(*http.Request) (*http.Response, error) {
				resp := response(400, "")
				resp.Body = io.NopCloser(io.LimitReader(endless(' '), 1<<22))
				return resp, nil
			},
			bare: func(c clients) string {
				read := &countingBody{data: io.LimitReader(endless(' '), 1<<22)}
				c.bare = bareClient(t, func(*http.Request) (*http.Response, error) {
					resp := response(200, "", "Content-Type: text/html")
					resp.Body = read
					return resp, nil
				})
				_, _ = c.bare.LoginWithResponse(t.Context(), loginRequest)
				return fmt.Sprint("reads ", read.read>>20, " of 4 MiB")
			},
			want:     "reads 4 of 4 MiB",
			ours:     func(c clients) error { _, err := c.ours.Login(t.Context(), credentials); return err },
			wantOurs: "ErrBadRequest ErrUnexpectedResponse", sent: 1, // at most 64 KiB are read: see errors_test.go
		},
	} {
		sent := 0
		client := newClient(t, kalshiauth.WithRetries(0), kalshiauth.WithHTTPClient(&http.Client{
			Transport: roundTripper(func(req *http.Request) (*http.Response, error) { sent++; return test.answer(req) }),
		}))
		c := clients{bareClient(t, test.answer), client}
		if got := test.bare(c); got != test.want {
			t.Errorf("%s: the bare client: %s, want %s", test.situation, got, test.want)
		}
		err := test.ours(c)
		if err == nil || kinds(err) != test.wantOurs || sent != test.sent {
			t.Errorf("%s: Client sends %d requests and returns %v (%s), want %d and %s", test.situation, sent, err, kinds(err),
				test.sent, test.wantOurs)
		}
		robustness.AssertNoSecret(t, test.situation, err, robustness.AllVerbs, code, password, newPassword)
	}

	// A model LoginResponse beside the operation Login does not compile without this option.
	config, err := os.ReadFile("../gen/client.yaml")
	if err != nil || !strings.Contains(string(config), "response-type-suffix: ") {
		t.Errorf("gen/client.yaml does not set response-type-suffix: %v", err)
	}
	var _ struct {
		model    gen.LoginResponse
		response gen.LoginHTTPResponse
	}
}

func bareClient(t *testing.T, transport roundTripper) *gen.ClientWithResponses {
	t.Helper()
	client, err := gen.NewClientWithResponses(kalshiauth.ProductionURL, gen.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// response is an answer in memory. headers are "Name: value".
func response(status int, body string, headers ...string) *http.Response {
	rec := httptest.NewRecorder()
	reply(status, body, headers...)(rec, nil)
	return rec.Result()
}

func TestLoginFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the redirect was followed")
	}))
	t.Cleanup(thief.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, op := range operations {
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, strings.Replace(thief.URL, "127.0.0.1", "localhost", 1), status)
			})
			if err := op.Call(t.Context(), client, op.Input); kinds(err) != "ErrUnexpectedResponse" || !strings.Contains(err.Error(), "localhost") {
				t.Errorf("%s: %d: %v", op.ID, status, err)
			}
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
	robustness.AssertNoSecret(t, "a closed connection", err, robustness.AllVerbs, code, newPassword)
	_ = listener.Close()
	err = client.ResetPasswordConfirm(t.Context(), confirmation)
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("no listener: %v", err)
	}
	robustness.AssertNoSecret(t, "no listener", err, robustness.AllVerbs, code, newPassword)
}

func TestAnHTMLPageIsAnErrorThatSaysSo(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		for _, status := range []int{200, 204, 401, 502} {
			err := op.Call(t.Context(), serve(t, reply(status, "<html>Welcome to the airport</html>", "Content-Type: text/html")), op.Input)
			if status == op.Success && op.Answer == "" {
				if err != nil {
					t.Errorf("%s: %d without fields: %v", op.ID, status, err)
				}
				continue
			}
			if !errors.Is(err, kalshiauth.ErrUnexpectedResponse) || (status == 401) != errors.Is(err, kalshiauth.ErrUnauthorized) {
				t.Errorf("%s: %d: %v", op.ID, status, err)
			}
			if (status == op.Success || status >= 400) && !strings.Contains(err.Error(), "text/html") {
				t.Errorf("%s: %d: the error does not name the content type: %v", op.ID, status, err)
			}
		}
	}
}

func TestABodyWithoutEndIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		for _, status := range []int{200, 400} {
			gone := make(chan struct{})
			client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				defer close(gone)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = io.Copy(w, endless(' ')) // until the client hangs up
			})
			if err := op.Call(t.Context(), client, op.Input); err == nil || kinds(err) == "" {
				t.Errorf("%s: %d: %v", op.ID, status, err)
			}
			select {
			case <-gone:
			case <-time.After(10 * time.Second):
				t.Errorf("%s: %d: the connection is still open", op.ID, status)
			}
		}
	}
}
