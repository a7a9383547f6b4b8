package interop_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/dnaeon/go-vcr.v4/pkg/cassette"
	"gopkg.in/dnaeon/go-vcr.v4/pkg/recorder"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
)

var (
	secretField = regexp.MustCompile(`"(email|password|token)"\s*:\s*"(\\.|[^"\\])*"`)
	resetCode   = regexp.MustCompile(`/passwords/reset/[^/]+/confirm$`)
)

const maskedCode = "/passwords/reset/masked/confirm"

// mask removes the secrets of an interaction before it is saved. Each log-in gets a token of its own, since a source
// takes a session with the same token for the one that has ended.
func mask(i *cassette.Interaction) error {
	masked := fmt.Sprintf(`"$1":"masked-%d"`, i.ID)
	i.Request.Body = secretField.ReplaceAllString(i.Request.Body, masked)
	i.Request.URL = resetCode.ReplaceAllString(i.Request.URL, maskedCode)
	i.Request.Headers.Del("Authorization")
	i.Request.Headers.Del("Cookie")
	i.Response.Body = secretField.ReplaceAllString(i.Response.Body, masked)
	i.Response.Headers.Del("Set-Cookie")
	return nil
}

// sameCall matches a request with a masked one.
func sameCall(r *http.Request, recorded cassette.Request) bool { //nolint:gocritic // the type of a MatcherFunc
	return r.Method == recorded.Method && resetCode.ReplaceAllString(r.URL.String(), maskedCode) == recorded.URL
}

// recording returns a transport for the client of kalshiauth.WithHTTPClient. Its Stop saves the cassette.
func recording(file string, opts ...recorder.Option) (*recorder.Recorder, error) {
	return recorder.New(file, append(opts,
		recorder.WithHook(mask, recorder.BeforeSaveHook),
		recorder.WithMatcher(sameCall),
		recorder.WithSkipRequestLatency(true),
	)...)
}

// visit makes the calls of a cassette: all operations, and a request whose session has been ended. secrets has what it
// sends and gets.
func visit(ctx context.Context, client *kalshiauth.Client, confirm kalshiauth.PasswordResetConfirmation, expire func(),
	mailed func() string,
) (secrets []string, err error) {
	password := credentials.Password
	source, err := autologin.New(client, func(context.Context) (kalshiauth.Credentials, error) {
		return kalshiauth.Credentials{Email: email, Password: password}, nil
	})
	if err != nil {
		return nil, err
	}
	for range 2 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, baseURL+"/balance", nil)
		if err != nil {
			return nil, err
		}
		resp, err := source.HTTPClient().Do(req)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || string(body) != balance {
			return nil, fmt.Errorf("the balance is %d %q, error %w", resp.StatusCode, body, err)
		}
		session, err := source.Session(ctx)
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, session.Token(), session.Cookie().Value)
		expire()
	}
	if err := client.ResetPassword(ctx, email); err != nil {
		return nil, err
	}
	confirm.Code = mailed()
	if err := client.ResetPasswordConfirm(ctx, confirm); err != nil {
		return nil, err
	}
	secrets = append(secrets, password, confirm.Code, confirm.NewPassword)
	password = confirm.NewPassword
	session, err := client.Login(ctx, kalshiauth.Credentials{Email: email, Password: password})
	if err != nil {
		return nil, err
	}
	return append(secrets, session.Token()), client.Logout(ctx, session)
}

func TestACassetteHasNoSecretAndReplays(t *testing.T) {
	t.Parallel()
	for presented, opts := range map[string][]kalshiauth.Option{
		"a cookie": nil, "Authorization": {kalshiauth.WithAuthorizationScheme("Bearer")},
	} {
		t.Run(presented, func(t *testing.T) {
			t.Parallel()
			server, user := newServer(t)
			confirm := kalshiauth.PasswordResetConfirmation{UserID: user.ID, NewPassword: `staple "and" better\`}
			file := filepath.Join(t.TempDir(), "cassette")
			vcr, err := recording(file, recorder.WithRealTransport(server.Transport()))
			if err != nil {
				t.Fatal(err)
			}
			secrets, err := visit(t.Context(), newClient(t, vcr.GetDefaultClient(), opts...), confirm, server.ExpireSessions,
				func() string { return server.Outbox()[0].Code })
			if err != nil {
				t.Fatal(err)
			}
			text := save(t, vcr, file)
			robustness.AssertNoSecret(t, "the cassette", text, "s", append(secrets, "staple", email)...)

			replay, err := recording(file, recorder.WithMode(recorder.ModeReplayOnly))
			if err != nil {
				t.Fatal(err)
			}
			replayed, err := visit(t.Context(), newClient(t, replay.GetDefaultClient(), opts...), confirm, func() {},
				func() string { return "another/code" })
			if err != nil {
				t.Errorf("the replay failed: %v", err)
			}
			for _, secret := range replayed[:4] {
				if !strings.HasPrefix(secret, "masked-") {
					t.Errorf("the replayed session has the token %q, want a masked one", secret)
				}
			}
		})
	}
}

// TestACassetteWithoutTheHookHasEverySecret shows that the test above can fail, and that the hook is necessary.
func TestACassetteWithoutTheHookHasEverySecret(t *testing.T) {
	t.Parallel()
	server, user := newServer(t)
	file := filepath.Join(t.TempDir(), "cassette")
	vcr, err := recorder.New(file, recorder.WithRealTransport(server.Transport()))
	if err != nil {
		t.Fatal(err)
	}
	confirm := kalshiauth.PasswordResetConfirmation{UserID: user.ID, NewPassword: "staple and better"}
	secrets, err := visit(t.Context(), newClient(t, vcr.GetDefaultClient()), confirm, server.ExpireSessions,
		func() string { return server.Outbox()[0].Code })
	if err != nil {
		t.Fatal(err)
	}
	text := save(t, vcr, file)
	for _, secret := range append(secrets, "Set-Cookie", "Cookie", email) {
		if !strings.Contains(text, secret) {
			t.Errorf("the cassette does not have %q", secret)
		}
	}
}

// TestACassetteWithOneTokenForAllLoginsCannotReplayARenewal shows why the hook numbers the masked tokens.
func TestACassetteWithOneTokenForAllLoginsCannotReplayARenewal(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	file := filepath.Join(t.TempDir(), "cassette")
	vcr, err := recording(file, recorder.WithRealTransport(server.Transport()), recorder.WithHook(func(i *cassette.Interaction) error {
		i.ID = 0
		return nil
	}, recorder.BeforeSaveHook))
	if err != nil {
		t.Fatal(err)
	}
	statuses := func(vcr *recorder.Recorder) (statuses [2]int) {
		api := newSource(t, newClient(t, vcr.GetDefaultClient())).HTTPClient()
		for n := range statuses {
			statuses[n] = getBalance(t.Context(), t, api)
			server.ExpireSessions()
		}
		return statuses
	}
	recorded := statuses(vcr)
	save(t, vcr, file)
	replay, err := recording(file, recorder.WithMode(recorder.ModeReplayOnly))
	if err != nil {
		t.Fatal(err)
	}
	if replayed := statuses(replay); recorded != [2]int{200, 200} || replayed != [2]int{200, 401} {
		t.Errorf("recorded %d, replayed %d, want 200 and 200, and then 200 and 401", recorded, replayed)
	}
}

// TestAnAfterCaptureHookChangesWhatTheProgramGets shows why the hook runs before the cassette is saved.
func TestAnAfterCaptureHookChangesWhatTheProgramGets(t *testing.T) {
	t.Parallel()
	for kind, genuine := range map[recorder.HookKind]bool{recorder.AfterCaptureHook: false, recorder.BeforeSaveHook: true} {
		server, _ := newServer(t)
		vcr, err := recorder.New(filepath.Join(t.TempDir(), "cassette"), recorder.WithRealTransport(server.Transport()),
			recorder.WithHook(mask, kind))
		if err != nil {
			t.Fatal(err)
		}
		session, err := newClient(t, vcr.GetDefaultClient()).Login(t.Context(), credentials)
		if err != nil || strings.HasPrefix(session.Token(), "masked-") == genuine {
			t.Errorf("with %v: error %v, and the session's token is real: %t", kind, err, !genuine)
		}
	}
}

// recordingAPI returns a transport that records and replays the rest of the API, without log-ins and sessions.
func recordingAPI(source *autologin.Source, file string) (*recorder.Recorder, error) {
	return recorder.New(file, recorder.WithRealTransport(source.HTTPClient().Transport))
}

func TestACassetteAboveTheSourceHasNoSession(t *testing.T) {
	t.Parallel()
	server, _ := newServer(t)
	file := filepath.Join(t.TempDir(), "cassette")
	source := newSource(t, newClient(t, &http.Client{Transport: server.Transport()}))
	for range 2 { // the second time is the replay
		vcr, err := recordingAPI(source, file)
		if err != nil {
			t.Fatal(err)
		}
		if status := getBalance(t.Context(), t, vcr.GetDefaultClient()); status != http.StatusOK {
			t.Errorf("status %d, want 200", status)
		}
		session, err := source.Session(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		robustness.AssertNoSecret(t, "the cassette", save(t, vcr, file), "s", session.Token(), session.Cookie().Value, password)
	}
	if got := requestLog(server); got != "Login OK, GET /balance OK" {
		t.Errorf("the requests are %s, want a log-in and one request", got)
	}
}

// save stops the recorder and returns the cassette.
func save(t *testing.T, vcr *recorder.Recorder, file string) string {
	t.Helper()
	if err := vcr.Stop(); err != nil {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(os.DirFS(filepath.Dir(file)), filepath.Base(file)+".yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
