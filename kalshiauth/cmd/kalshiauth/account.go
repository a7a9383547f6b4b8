package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
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
func accountFlags(email string, more ...cli.Flag) []cli.Flag {
	flags := append(serverFlags(), &cli.StringFlag{Name: "email", Usage: email, Sources: cli.EnvVars(emailVariable)})
	return append(append(flags, more...), jsonFlag())
}

// listFlags returns the flags for commands that may use all accounts. For them, the variables that name an account do
// not count, except where one account is chosen.
func listFlags(baseURL, email string, more ...cli.Flag) []cli.Flag {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "base-url", Usage: baseURL},
		&cli.BoolFlag{Name: "insecure-http", Usage: "allow http to other hosts than this one"},
		&cli.StringFlag{Name: "email", Usage: email},
	}
	return append(append(flags, more...), jsonFlag())
}

func jsonFlag() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "print JSON, also for an error"} }

func accountCommands() []*cli.Command {
	return []*cli.Command{
		{
			Name: "login", Usage: "log in, and keep the session in a file", Action: inJSON(login),
			Flags: accountFlags("`ADDRESS` of the account"),
			Description: "The password comes from KALSHI_PASSWORD, a terminal, or the first line of standard input.\n" +
				"The file is in the user's configuration folder, one for each server and account, and only its owner\n" +
				"can read it. Nothing is sent if the session could not be kept there.",
		},
		{
			Name: "logout", Usage: "end the session, and remove its file", Action: inJSON(logout),
			Description: "Without -email, it is the session of the account that was used last. With -all, it is each session\n" +
				"that status lists, or those of -base-url or -email: then the variables KALSHI_BASE_URL and KALSHI_EMAIL do\n" +
				"not count.",
			Flags: listFlags(
				"base `URL` of the server; or the variable "+baseURLVariable+" (default: "+kalshiauth.ProductionURL+")",
				"`ADDRESS` of the account; or the variable "+emailVariable+"; without it, the one that was used last",
				&cli.BoolFlag{Name: "all", Usage: "end all sessions of all servers"},
			),
		},
		{
			Name: "status", Usage: "list the stored sessions", Action: inJSON(status),
			Description: "It lists the sessions of all accounts and servers. It exits with 0 if one of them can be used, and\n" +
				"else with 1. It reads files and does not ask the server, which may have ended a session.\n\n" +
				"With -check, it asks: it exits with 0 only if a server accepts one of the sessions. The API has no request\n" +
				"for this question, so it reads -check-path with the session. A 401 means that the session has ended.\n" +
				"Another answer means that it is alive, if the same request without the session gets a 401. Otherwise, it is\n" +
				"not known. This never ends a session, but the server may count it as a use.",
			Flags: listFlags(
				"list only the sessions of the server with this base `URL`", "list only the sessions of the account `ADDRESS`",
				&cli.BoolFlag{Name: "check", Usage: "ask the server whether it accepts each session"},
				&cli.StringFlag{
					Name: "check-path", Value: defaultCheckPath,
					Usage: "`PATH` below the base URL that -check reads, which must need a session",
				},
			),
		},
		{
			Name: "cookie", Usage: "write the session's cookie to a file for curl -b, or print it", Action: inJSON(cookie),
			Description: "The cookie is a secret. In a file, it does not appear in the list of processes:\n\n" +
				"   kalshiauth cookie -file kalshi.cookies && curl -b kalshi.cookies URL",
			Flags: accountFlags("`ADDRESS` of the account; without it, the one that was used last", &cli.StringFlag{
				Name: "file", Usage: "`FILE` to write, in the Netscape format; only its owner can read it",
			}),
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
	place

	client    *kalshiauth.Client
	email     string
	path      string
	store     *filestore.Store
	isDefault bool // of its server

	isOneOfMany bool // accounts of its server
}

func newClient(cmd *cli.Command) (*kalshiauth.Client, error) {
	return clientAt(cmd, cmd.String("base-url"))
}

func clientAt(cmd *cli.Command, baseURL string) (*kalshiauth.Client, error) {
	return newClientAt("base-url", baseURL, cmd.Bool("insecure-http"), traceOptions(cmd, baseURL)...)
}

// newAccount returns the account of the flags and the environment, or else the one that was used last.
func newAccount(cmd *cli.Command) (*account, error) {
	baseURL, given := flagOrVariable(cmd, "base-url", baseURLVariable)
	if !given {
		baseURL = kalshiauth.ProductionURL
	}
	client, err := clientAt(cmd, baseURL)
	if err != nil {
		return nil, err
	}
	p, err := placeOf(client.BaseURL())
	if err != nil {
		return nil, err
	}
	email, _ := flagOrVariable(cmd, "email", emailVariable)
	if email = strings.ToLower(email); email == "" {
		if email, err = p.choose(); err != nil {
			return nil, err
		}
	}
	a, err := p.account(email)
	if err != nil {
		return nil, err
	}
	a.client = client
	return a, nil
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
	if err := a.checkPlace(ctx); err != nil {
		return storeError{err}
	}
	password, err := ask.secret(ctx, "KALSHI_PASSWORD", "Password of "+cmd.String("email"))
	if err != nil {
		return err
	}
	session, err := a.login(ctx, kalshiauth.Credentials{Email: cmd.String("email"), Password: password})
	if err != nil {
		return err
	}
	if err := a.use(a.email); err != nil {
		return err
	}
	e := a.entry(session)
	return printEntry(cmd, &e, fmt.Sprintf("Logged in to %s as %s (user %s).\nThe session is kept in %s.",
		a.baseURL, a.email, session.UserID, a.path))
}

// login logs in, and keeps the session. It has the lock of the store before it sends anything.
func (a *account) login(ctx context.Context, creds kalshiauth.Credentials) (session *kalshiauth.Session, err error) {
	locked, unlock, err := a.store.Lock(ctx)
	if err != nil {
		return nil, fmt.Errorf("nothing was sent: %w", err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	session, err = a.client.Login(locked, creds)
	if err != nil {
		return nil, err
	}
	if err := a.store.Save(locked, session); err != nil {
		end := "it is ended"
		if err := a.client.Logout(context.WithoutCancel(ctx), session); err != nil {
			end = "it may be alive: " + err.Error()
		}
		return nil, storeError{fmt.Errorf("the session could not be kept, and %s: %w", end, err)}
	}
	return session, nil
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
