package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
)

// States of a stored session.
const (
	stateStored     = "stored"     // it has not expired, and the server was not asked
	stateExpired    = "expired"    // its time is over
	stateUnreadable = "unreadable" // its file cannot be read
	stateAlive      = "alive"      // the server accepts it
	stateEnded      = "ended"      // the server has ended it
	stateUnknown    = "unknown"    // the server's answer does not tell
)

// An entry is what the command says about one account.
type entry struct {
	BaseURL     string    `json:"base_url"`
	Email       string    `json:"email"`
	LoggedIn    bool      `json:"logged_in"` // as far as is known
	State       string    `json:"state,omitempty"`
	Reason      string    `json:"reason,omitempty"` // why the state is unreadable or unknown
	Default     bool      `json:"default,omitempty"`
	UserID      string    `json:"user_id,omitempty"`
	AccessLevel string    `json:"access_level,omitempty"`
	Expiry      time.Time `json:"expiry,omitzero"`
	File        string    `json:"file,omitempty"`
	Error       string    `json:"error,omitempty"` // why it could not be logged out

	isOneOfMany bool // accounts of its server
	err         error
}

// entry returns what is known about an account whose session is session, or nil.
func (a *account) entry(session *kalshiauth.Session) entry {
	e := entry{BaseURL: a.baseURL, Email: a.email}
	if session == nil {
		return e
	}
	e.LoggedIn, e.State, e.File = true, stateStored, a.path
	e.UserID, e.AccessLevel, e.Expiry = session.UserID, session.AccessLevel, session.Expiry
	if !session.Valid() {
		e.LoggedIn, e.State = false, stateExpired
	}
	return e
}

// stored returns all accounts that have a file: of one server unless baseURL is "", of one address unless email is "".
func stored(baseURL, email string) ([]*account, error) {
	all, err := places()
	if err != nil {
		return nil, err
	}
	if baseURL != "" {
		client, err := newClientAt("base-url", baseURL, true) // nothing is sent
		if err != nil {
			return nil, err
		}
		all = slices.DeleteFunc(all, func(p place) bool { return p.baseURL != client.BaseURL() })
	}
	var accounts []*account
	for _, p := range all {
		emails, known, err := p.emails()
		if err != nil {
			return nil, err
		}
		for i, e := range emails {
			if email != "" && !strings.EqualFold(e, email) {
				continue
			}
			a, err := p.account(e)
			if err != nil {
				return nil, err
			}
			a.isDefault, a.isOneOfMany = known && i == 0, len(emails) > 1
			accounts = append(accounts, a)
		}
	}
	return accounts, nil
}

func status(ctx context.Context, cmd *cli.Command) error {
	path, err := checkPath(cmd)
	if err != nil {
		return usageError{err}
	}
	accounts, err := stored(cmd.String("base-url"), cmd.String("email"))
	if err != nil {
		return err
	}
	entries := make([]entry, len(accounts))
	var all sync.WaitGroup
	for i, a := range accounts {
		all.Go(func() { entries[i] = a.status(ctx, cmd, path) })
	}
	all.Wait()
	if err := printEntries(cmd, entries); err != nil {
		return err
	}
	return printedError(verdictOf(entries, path != ""))
}

// status returns what is known about a stored session. It asks the server unless path is "".
func (a *account) status(ctx context.Context, cmd *cli.Command, path string) entry {
	session, err := a.store.Load(ctx)
	if err != nil {
		e := a.entry(nil)
		e.State, e.File, e.Default, e.err = stateUnreadable, a.path, a.isDefault, err
		e.Reason = plainWords(err.Error())
		return e
	}
	e := a.entry(session)
	e.Default, e.isOneOfMany = a.isDefault, a.isOneOfMany
	if path == "" || !e.LoggedIn {
		return e
	}
	client, err := clientAt(cmd, a.baseURL)
	if err == nil {
		e.State, err = askServer(ctx, client, session, path)
	} else {
		e.State = stateUnknown
	}
	if err != nil {
		e.Reason, e.err = plainWords(err.Error()), err
		if hint := hint(err); hint != "" {
			e.Reason += ". " + hint
		}
	}
	e.LoggedIn = e.State != stateEnded
	return e
}

// verdictOf returns an error unless one of the sessions can be used, as far as is known. After a check, one that the
// server accepts is required.
func verdictOf(entries []entry, checked bool) error {
	if len(entries) == 0 {
		return fmt.Errorf("%w: nobody is logged in", kalshiauth.ErrNoSession)
	}
	var unknown error
	unreadable := 0
	for i := range entries {
		switch entries[i].State {
		case stateStored, stateAlive: // a check changes stored to another state
			return nil
		case stateUnknown:
			unknown = entries[i].err
		case stateUnreadable:
			unreadable++
		}
	}
	switch {
	case unknown != nil:
		return storeError{fmt.Errorf("it is not known whether a session is alive: %w", unknown)}
	case unreadable > 0:
		return errors.New("no session can be used, and not all can be read")
	case checked:
		return fmt.Errorf("%w that is alive", kalshiauth.ErrNoSession)
	}
	return fmt.Errorf("%w that has not expired", kalshiauth.ErrNoSession)
}

func logout(ctx context.Context, cmd *cli.Command) error {
	if cmd.Bool("all") {
		return logoutAll(ctx, cmd)
	}
	a, err := newAccount(cmd)
	if err != nil {
		return err
	}
	done, err := a.logout(ctx)
	if err != nil {
		return err
	}
	e := a.entry(nil)
	return printEntry(cmd, &e, done)
}

// logoutAll logs all accounts out, also after one of them could not be.
func logoutAll(ctx context.Context, cmd *cli.Command) error {
	accounts, err := stored(cmd.String("base-url"), cmd.String("email"))
	if err != nil {
		return err
	}
	entries := make([]entry, len(accounts))
	var texts []string
	var errs []error
	for i, a := range accounts {
		var done string
		if a.client, err = clientAt(cmd, a.baseURL); err == nil {
			done, err = a.logout(ctx)
		}
		entries[i] = a.entry(nil)
		if err != nil {
			_, left := os.Lstat(a.path)
			entries[i].LoggedIn, entries[i].Error = left == nil, plainWords(err.Error())
			errs = append(errs, storeError{fmt.Errorf("%s at %s: %w", a.email, a.baseURL, err)})
			continue
		}
		texts = append(texts, done)
	}
	if len(accounts) == 0 {
		texts = append(texts, "Nobody was logged in.")
	}
	switch {
	case cmd.Bool("json"):
		errs = append(errs, writeJSON(cmd, entries))
	case len(texts) > 0:
		errs = append(errs, write(cmd, strings.Join(texts, "\n")))
	}
	return printedError(errors.Join(errs...))
}

// logout ends a session, and returns a sentence that says so.
func (a *account) logout(ctx context.Context) (string, error) {
	if _, err := a.store.Load(ctx); errors.Is(err, kalshiauth.ErrNoSession) {
		return fmt.Sprintf("%s was not logged in to %s.", a.email, a.baseURL), nil
	}
	// Logout compares these credentials with the stored session's account. It does not log in.
	owner := autologin.StaticCredentials(kalshiauth.Credentials{Email: a.email})
	source, err := autologin.New(a.client, owner, autologin.WithStore(a.store))
	if err != nil {
		return "", err
	}
	if err := source.Logout(ctx); err != nil {
		return "", storeError{err}
	}
	return fmt.Sprintf("Logged %s out of %s.", a.email, a.baseURL), nil
}

// printEntries writes what status knows.
func printEntries(cmd *cli.Command, entries []entry) error {
	if cmd.Bool("json") {
		return writeJSON(cmd, entries)
	}
	for i := range entries {
		if err := write(cmd, entries[i].text()); err != nil {
			return err
		}
	}
	return nil
}

// text returns an entry of status in words.
func (e *entry) text() string {
	if e.State == stateUnreadable {
		return fmt.Sprintf("The session of %s at %s cannot be read: %s", e.Email, e.BaseURL, e.Reason)
	}
	end := "the server did not say until when"
	if !e.Expiry.IsZero() {
		end = "until " + e.Expiry.Format(time.RFC3339)
	}
	text := fmt.Sprintf("%s has a session at %s (user %s), %s.", e.Email, e.BaseURL, e.UserID, end)
	if e.State == stateExpired {
		text = fmt.Sprintf("The session of %s at %s ended at %s.", e.Email, e.BaseURL, e.Expiry.Format(time.RFC3339))
	}
	text += "\n   It is kept in " + e.File
	if e.Default && e.isOneOfMany {
		text += ", and is the one for commands without -email"
	}
	text += "."
	switch e.State {
	case stateAlive:
		text += "\n   The server accepts it."
	case stateEnded:
		text += "\n   The server has ended it."
	case stateUnknown:
		text += "\n   It is not known whether the server accepts it: " + e.Reason
	}
	return text
}

// inJSON returns an action that, with -json, prints also its error as JSON, so that there is always JSON to read.
func inJSON(action cli.ActionFunc) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) error {
		err := action(ctx, cmd)
		if err == nil || !cmd.Bool("json") || errors.As(err, new(printed)) {
			return err
		}
		out := struct {
			Error string `json:"error"`
			Hint  string `json:"hint,omitempty"`
		}{plainWords(err.Error()), hint(err)}
		return errors.Join(err, writeJSON(cmd, out))
	}
}

// printed is an error of a command that has printed its result.
type printed struct{ error }

func (e printed) Unwrap() error { return e.error }

func printedError(err error) error {
	if err == nil {
		return nil
	}
	return printed{err}
}

// printEntry writes text or, with -json, an entry.
func printEntry(cmd *cli.Command, e *entry, text string) error {
	if !cmd.Bool("json") {
		return write(cmd, text)
	}
	return writeJSON(cmd, e)
}

func write(cmd *cli.Command, text string) error {
	if _, err := fmt.Fprintln(cmd.Root().Writer, text); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

func writeJSON(cmd *cli.Command, v any) error {
	if err := json.NewEncoder(cmd.Root().Writer).Encode(v); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}
