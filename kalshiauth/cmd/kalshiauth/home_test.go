package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/filestore"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

const (
	otherEmail  = "other@example.com"
	newPassword = "a-brand-new-horse"
)

// A home is a folder for the files of the built command.
type home struct {
	t       *testing.T
	folder  string
	secrets []string // of the sessions that have been there
}

func newHome(t *testing.T) *home {
	t.Helper()
	return &home{t: t, folder: t.TempDir(), secrets: []string{password, otherPassword, newPassword}}
}

// twoUsers returns a server with two accounts.
func twoUsers(t *testing.T, opts ...kalshiauthtest.Option) *kalshiauthtest.Server {
	t.Helper()
	fake := kalshiauthtest.NewServer(append(opts, kalshiauthtest.WithPathPrefix("/v1"))...)
	t.Cleanup(fake.Close)
	fake.AddUser(email, password)
	fake.AddUser(otherEmail, otherPassword)
	return fake
}

// An outcome is how a run ended.
type outcome struct {
	args        []string
	code        int
	out, errOut string
}

// A use is one run of the built command.
type use struct {
	args  []string
	env   []string
	stdin string
	shows bool // it may show the session's cookie
}

// env is the environment of a run.
func (h *home) env(more ...string) []string {
	return append(append(os.Environ(), "XDG_CONFIG_HOME="+h.folder, "HOME="+h.folder, "AppData="+h.folder), more...)
}

// command returns the command of a use, and where its output goes.
func (h *home) command(u use) (cmd *exec.Cmd, out, errOut *bytes.Buffer) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 2*time.Minute)
	h.t.Cleanup(cancel)
	cmd = exec.CommandContext(ctx, built, u.args...) //nolint:gosec // the command under test
	cmd.Env, cmd.Dir, cmd.Stdin = h.env(u.env...), h.folder, strings.NewReader(u.stdin)
	out, errOut = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, errOut
	return cmd, out, errOut
}

// do runs a use. It fails the test if the output shows a secret that it must not.
func (h *home) do(u use) outcome {
	h.t.Helper()
	h.learn()
	cmd, out, errOut := h.command(u)
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		h.t.Fatal(err)
	}
	h.learn()
	o := outcome{u.args, cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
	if !u.shows {
		h.hides(strings.Join(u.args, " "), o.out+o.errOut)
	}
	return o
}

// run runs the command with arguments, and the passwords in its environment.
func (h *home) run(wantCode int, args ...string) outcome {
	h.t.Helper()
	o := h.do(use{args: args})
	h.wants(o, wantCode)
	return o
}

// logIn logs an account in.
func (h *home) logIn(fake *kalshiauthtest.Server, email, password string) {
	h.t.Helper()
	o := h.do(use{args: []string{"login", "-base-url", fake.URL, "-email", email}, env: []string{"KALSHI_PASSWORD=" + password}})
	h.wants(o, 0)
}

// wants fails the test unless a run ended with a code, and printed texts.
func (h *home) wants(o outcome, code int, texts ...string) {
	h.t.Helper()
	ok := o.code == code
	for _, text := range texts {
		ok = ok && strings.Contains(o.out+o.errOut, text)
	}
	if !ok {
		h.t.Errorf("%q: exit %d, printed %q and %q; want %d and %q", o.args, o.code, o.out, o.errOut, code, texts)
	}
}

// learn adds the secrets of the stored sessions.
func (h *home) learn() {
	h.t.Helper()
	_ = filepath.WalkDir(h.folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return nil //nolint:nilerr // what cannot be listed has no session
		}
		data, err := os.ReadFile(path) //nolint:gosec // a file of the test
		if session, bad := kalshiauth.ImportSession(data); err == nil && bad == nil && !slices.Contains(h.secrets, session.Token()) {
			h.secrets = append(h.secrets, session.Token(), session.Cookie().Value)
		}
		return nil
	})
}

// hides fails the test if a text has a secret.
func (h *home) hides(what, text string) {
	h.t.Helper()
	for _, secret := range h.secrets {
		if strings.Contains(text, secret) {
			h.t.Errorf("%s: shows %q: %s", what, secret, text)
		}
	}
}

// list returns what status lists, and its exit code.
func (h *home) list(args ...string) (entries []entry, code int) {
	h.t.Helper()
	o := h.do(use{args: append([]string{"status", "-json"}, args...)})
	if err := json.Unmarshal([]byte(o.out), &entries); err != nil || entries == nil {
		h.t.Fatalf("%q: printed %q and %q: %v", o.args, o.out, o.errOut, err)
	}
	return entries, o.code
}

// file returns the file of a session.
func (h *home) file(baseURL, email string) string {
	return filepath.Join(h.config(), "kalshiauth", url.QueryEscape(baseURL), url.QueryEscape(email)+".json")
}

// put stores a session.
func (h *home) put(baseURL string, session *kalshiauth.Session) {
	h.t.Helper()
	store, err := filestore.New(h.file(baseURL, email))
	if err == nil {
		err = store.Save(h.t.Context(), session)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// config returns the user's configuration folder.
func (h *home) config() string {
	if folder := filepath.Join(h.folder, "Library", "Application Support"); isMac {
		return folder
	}
	return h.folder
}
