package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/filestore"
)

// serverFlags returns the flags for the server.
func serverFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{
			Name: "base-url", Value: kalshiauth.ProductionURL, Usage: "base `URL` of the server",
			Sources: cli.EnvVars("KALSHI_BASE_URL"),
		},
		&cli.BoolFlag{Name: "insecure-http", Usage: "allow http to other hosts than this one"},
	}
}

// accountFlags returns the flags for the server and an account there.
func accountFlags() []cli.Flag {
	return append(serverFlags(),
		&cli.StringFlag{
			Name: "email", Usage: "`ADDRESS` of the account; not needed if only one is logged in",
			Sources: cli.EnvVars("KALSHI_EMAIL"),
		},
		&cli.BoolFlag{Name: "json", Usage: "print JSON"},
	)
}

func accountCommands() []*cli.Command {
	return []*cli.Command{
		{
			Name: "login", Usage: "log in, and keep the session in a file", Flags: accountFlags(), Action: login,
			Description: "The password comes from KALSHI_PASSWORD, a terminal, or the first line of standard input.\n" +
				"The file is in the user's configuration folder, one for each server and account, and only its owner\n" +
				"can read it.",
		},
		{Name: "logout", Usage: "end the session, and remove its file", Flags: accountFlags(), Action: logout},
		{
			Name: "status", Usage: "say whether there is a session", Flags: accountFlags(), Action: status,
			Description: "It reads the file and does not ask the server, which may have ended the session.\n" +
				"It exits with 1 if there is no session, or if it has expired.",
		},
		{
			Name: "cookie", Usage: "print the session's cookie, for curl -b", Flags: accountFlags(),
			Action:      cookie,
			Description: "The cookie is a secret.",
		},
		{
			Name: "reset-password", Usage: "request an e-mail with a link for a new password", Action: resetPassword,
			Flags: append(serverFlags(), &cli.StringFlag{
				Name: "email", Usage: "`ADDRESS` of the account", Sources: cli.EnvVars("KALSHI_EMAIL"),
			}),
		},
		{
			Name: "reset-password-confirm", Usage: "set a new password with the code from the mailed link",
			Flags: append(serverFlags(), &cli.StringFlag{
				Name: "user-id", Usage: "`UUID` from the mailed link, where it is called user_id", Required: true,
			}),
			Action: resetPasswordConfirm,
			Description: "The code comes from KALSHI_RESET_CODE and the new password from KALSHI_NEW_PASSWORD, a terminal,\n" +
				"or standard input: the code in the first line, the password in the second.",
		},
	}
}

// account is the account that a subcommand uses.
type account struct {
	client *kalshiauth.Client
	email  string
	path   string
	store  *filestore.Store
}

func newClient(cmd *cli.Command) (*kalshiauth.Client, error) {
	baseURL := cmd.String("base-url")
	return newClientAt("base-url", baseURL, cmd.Bool("insecure-http"), traceOptions(cmd, baseURL)...)
}

// newAccount returns the account of the flags, or else the only one that is logged in.
func newAccount(cmd *cli.Command) (*account, error) {
	client, err := newClient(cmd)
	if err != nil {
		return nil, err
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return nil, fmt.Errorf("the configuration folder is not known: %w", err)
	}
	folder := filepath.Join(config, "kalshiauth", url.QueryEscape(client.BaseURL()))
	email := strings.ToLower(cmd.String("email"))
	if email == "" {
		if email, err = onlyAccount(folder, client.BaseURL()); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(folder, url.QueryEscape(email)+".json")
	store, err := filestore.New(path)
	if err != nil {
		return nil, err
	}
	return &account{client: client, email: email, path: path, store: store}, nil
}

// onlyAccount returns the only account that has a file in folder.
func onlyAccount(folder, baseURL string) (string, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return "", fmt.Errorf("finding the accounts: %w", err)
	}
	var emails []string
	for _, file := range files {
		if email, err := url.QueryUnescape(strings.TrimSuffix(filepath.Base(file), ".json")); err == nil {
			emails = append(emails, email)
		}
	}
	switch len(emails) {
	case 0:
		return "", fmt.Errorf("%w: nobody is logged in to %s", kalshiauth.ErrNoSession, baseURL)
	case 1:
		return emails[0], nil
	}
	return "", usageError{fmt.Errorf("several accounts are logged in: name one with -email: %s",
		strings.Join(emails, ", "))}
}

func login(ctx context.Context, cmd *cli.Command) error {
	ask := newAsker(cmd)
	if _, err := ask.email(ctx, cmd); err != nil {
		return err
	}
	a, err := newAccount(cmd)
	if err != nil {
		return err
	}
	password, err := ask.secret(ctx, "KALSHI_PASSWORD", "Password of "+cmd.String("email"))
	if err != nil {
		return err
	}
	session, err := a.client.Login(ctx, kalshiauth.Credentials{Email: cmd.String("email"), Password: password})
	if err != nil {
		return err
	}
	locked, unlock, err := a.store.Lock(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(a.store.Save(locked, session), unlock()); err != nil {
		return err
	}
	return a.print(cmd, session, fmt.Sprintf("Logged in to %s as %s (user %s).\nThe session is kept in %s.",
		a.client.BaseURL(), a.email, session.UserID, a.path))
}

func logout(ctx context.Context, cmd *cli.Command) error {
	a, err := newAccount(cmd)
	if err != nil {
		return err
	}
	if _, err := a.store.Load(ctx); errors.Is(err, kalshiauth.ErrNoSession) {
		return a.print(cmd, nil, fmt.Sprintf("%s was not logged in to %s.", a.email, a.client.BaseURL()))
	}
	// Logout compares these credentials with the stored session's account. It does not log in.
	owner := autologin.StaticCredentials(kalshiauth.Credentials{Email: a.email})
	source, err := autologin.New(a.client, owner, autologin.WithStore(a.store))
	if err != nil {
		return err
	}
	if err := source.Logout(ctx); err != nil {
		return storeError{err}
	}
	return a.print(cmd, nil, fmt.Sprintf("Logged %s out of %s.", a.email, a.client.BaseURL()))
}

func status(ctx context.Context, cmd *cli.Command) error {
	a, session, err := loggedIn(ctx, cmd)
	if err != nil {
		return err
	}
	end := "the server did not say until when"
	if !session.Expiry.IsZero() {
		end = "until " + session.Expiry.Format(time.RFC3339)
	}
	return a.print(cmd, session, fmt.Sprintf("%s has a session at %s (user %s), %s.\nIt is kept in %s.",
		a.email, a.client.BaseURL(), session.UserID, end, a.path))
}

func cookie(ctx context.Context, cmd *cli.Command) error {
	_, session, err := loggedIn(ctx, cmd)
	if err != nil {
		return err
	}
	pair := session.Cookie().Name + "=" + session.Cookie().Value
	if cmd.Bool("json") {
		return writeJSON(cmd, map[string]string{"cookie": pair})
	}
	return write(cmd, pair)
}

func resetPassword(ctx context.Context, cmd *cli.Command) error {
	client, err := newClient(cmd)
	if err != nil {
		return err
	}
	if _, err := newAsker(cmd).email(ctx, cmd); err != nil {
		return err
	}
	if err := client.ResetPassword(ctx, cmd.String("email")); err != nil {
		return err
	}
	return write(cmd, fmt.Sprintf("If %s has an account, a link is on its way. Then: "+
		"kalshiauth reset-password-confirm -user-id USER_ID", cmd.String("email")))
}

func resetPasswordConfirm(ctx context.Context, cmd *cli.Command) error {
	client, err := newClient(cmd)
	if err != nil {
		return err
	}
	ask := newAsker(cmd)
	code, err := ask.secret(ctx, "KALSHI_RESET_CODE", "Code from the mailed link")
	if err != nil {
		return err
	}
	password, err := ask.secret(ctx, "KALSHI_NEW_PASSWORD", "New password")
	if err != nil {
		return err
	}
	err = client.ResetPasswordConfirm(ctx, kalshiauth.PasswordResetConfirmation{
		Code: code, UserID: cmd.String("user-id"), NewPassword: password,
	})
	if err != nil {
		return err
	}
	return write(cmd, "The password is set, and earlier sessions may have ended: log in with kalshiauth login.")
}

// loggedIn returns the account and its stored session. An expired session is an error.
func loggedIn(ctx context.Context, cmd *cli.Command) (*account, *kalshiauth.Session, error) {
	a, err := newAccount(cmd)
	if err != nil {
		return nil, nil, err
	}
	session, err := a.store.Load(ctx)
	if err != nil {
		return nil, nil, storeError{err}
	}
	if !session.Valid() {
		return nil, nil, fmt.Errorf("%w: that of %s ended at %s", kalshiauth.ErrNoSession, a.email,
			session.Expiry.Format(time.RFC3339))
	}
	return a, session, nil
}

// print writes text or, with -json, the same information as JSON.
func (a *account) print(cmd *cli.Command, session *kalshiauth.Session, text string) error {
	if !cmd.Bool("json") {
		return write(cmd, text)
	}
	out := struct {
		BaseURL     string    `json:"base_url"`
		Email       string    `json:"email"`
		LoggedIn    bool      `json:"logged_in"`
		UserID      string    `json:"user_id,omitempty"`
		AccessLevel string    `json:"access_level,omitempty"`
		Expiry      time.Time `json:"expiry,omitzero"`
		File        string    `json:"file,omitempty"`
	}{BaseURL: a.client.BaseURL(), Email: a.email}
	if session != nil {
		out.LoggedIn, out.UserID, out.AccessLevel = true, session.UserID, session.AccessLevel
		out.Expiry, out.File = session.Expiry, a.path
	}
	return writeJSON(cmd, out)
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
