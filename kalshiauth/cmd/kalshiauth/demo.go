package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func demoCommand() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "try a log-in, a password reset and a log-out, and show the answers",
		Description: "Without -base-url and KALSHI_BASE_URL, it uses a fake server of its own. With one, it uses a\n" +
			"real server and account, whose password comes from KALSHI_PASSWORD. It resets the password only if\n" +
			"KALSHI_NEW_PASSWORD is set, which is the account's password afterwards. Then it reads the code and the\n" +
			"user_id of the mailed link from standard input.",
		Flags: []cli.Flag{
			&cli.StringFlag{
				Name: "base-url", Usage: "base `URL` of a real server, such as " + kalshiauth.DemoURL,
				Sources: cli.EnvVars(baseURLVariable),
			},
			&cli.BoolFlag{Name: "insecure-http", Usage: "allow http to other hosts than this one"},
			&cli.StringFlag{Name: "email", Usage: "`ADDRESS` of a real account", Sources: cli.EnvVars("KALSHI_EMAIL")},
		},
		Action: demo,
	}
}

// A walk is a demo with one server and one account.
type walk struct {
	out         io.Writer
	client      *kalshiauth.Client
	creds       kalshiauth.Credentials
	newPassword string // "": no reset
	// mailed returns the code and the user ID of the mailed link.
	mailed func(ctx context.Context) (code, userID string, err error)
}

func demo(ctx context.Context, cmd *cli.Command) error {
	root := cmd.Root()
	w := walk{out: root.Writer}
	if baseURL := cmd.String("base-url"); baseURL != "" {
		ask := newAsker(cmd)
		client, err := newClient(cmd)
		if err != nil {
			return err
		}
		if w.creds.Email, err = ask.email(ctx, cmd); err != nil {
			return err
		}
		if w.creds.Password, err = ask.secret(ctx, "KALSHI_PASSWORD", "Password of "+w.creds.Email); err != nil {
			return err
		}
		w.newPassword = os.Getenv("KALSHI_NEW_PASSWORD")
		w.mailed = ask.link
		w.client = client
		return w.run(ctx)
	}

	fake := kalshiauthtest.NewServer()
	defer fake.Close()
	w.creds = kalshiauth.Credentials{Email: "trader@example.com", Password: rand.Text()}
	w.newPassword = rand.Text()
	fake.AddUser(w.creds.Email, w.creds.Password)
	w.mailed = func(context.Context) (string, string, error) {
		mail := fake.Outbox()[0]
		return mail.Code, mail.UserID, nil
	}
	client, err := kalshiauth.New(append(traceOptions(cmd, fake.URL), kalshiauth.WithBaseURL(fake.URL))...)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	w.client = client
	return w.run(ctx)
}

// A step makes one call and returns a description of the result. If refused is true, the server must refuse the call.
type step struct {
	name    string
	refused bool
	do      func(ctx context.Context) (string, error)
}

func (w *walk) run(ctx context.Context) error {
	w.say("The server is %s.", w.client.BaseURL())
	var session *kalshiauth.Session
	var confirm kalshiauth.PasswordResetConfirmation
	login := func(password string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			s, err := w.client.Login(ctx, kalshiauth.Credentials{Email: w.creds.Email, Password: password})
			if err != nil {
				return "", err
			}
			session = s
			return fmt.Sprintf("a session of user %s, access level %q", s.UserID, s.AccessLevel), nil
		}
	}
	logout := func(ctx context.Context) (string, error) { return "the session ended", w.client.Logout(ctx, session) }
	steps := []step{
		{"log in", false, login(w.creds.Password)},
		{"log in with a wrong password", true, login(rand.Text())},
	}
	if w.newPassword != "" {
		steps = append(steps, []step{
			{"request a password reset", false, func(ctx context.Context) (string, error) {
				return "accepted; a link is mailed", w.client.ResetPassword(ctx, w.creds.Email)
			}},
			{"read the mail", false, func(ctx context.Context) (_ string, err error) {
				confirm.NewPassword = w.newPassword
				confirm.Code, confirm.UserID, err = w.mailed(ctx)
				return "a code of " + strconv.Itoa(len(confirm.Code)) + " characters for user " + confirm.UserID, err
			}},
			{"confirm the reset with the mailed code", false, func(ctx context.Context) (string, error) {
				return "the password is set", w.client.ResetPasswordConfirm(ctx, confirm)
			}},
			{"log in with the old password", true, login(w.creds.Password)},
			{"log in with the new password", false, login(w.newPassword)},
		}...)
	}
	steps = append(steps, step{"log out", false, logout}, step{"use the session after it", true, logout})
	for i, s := range steps {
		came, err := s.do(ctx)
		switch {
		case err == nil && !s.refused:
			w.say("%d. %s: ok\n   %s", i+1, s.name, came)
		case s.refused && isRefusal(err):
			w.say("%d. %s: refused, as it should be\n   %v", i+1, s.name, err)
		case err == nil:
			return fmt.Errorf("demo: %s: the server should refuse this, and did not", s.name)
		default:
			return fmt.Errorf("demo: %s: %w", s.name, err)
		}
	}
	if w.newPassword == "" {
		w.say("There was no password reset: set KALSHI_NEW_PASSWORD, which will be the account's password afterwards.")
	}
	return nil
}

func (w *walk) say(format string, args ...any) { _, _ = fmt.Fprintf(w.out, format+"\n", args...) }

func isRefusal(err error) bool {
	return errors.Is(err, kalshiauth.ErrUnauthorized) || errors.Is(err, kalshiauth.ErrForbidden) ||
		errors.Is(err, kalshiauth.ErrBadRequest)
}

// link reads the code and the user ID of a mailed link from one line: the code, a space, and the user ID.
func (a *asker) link(ctx context.Context) (code, userID string, err error) {
	line, err := a.hiddenLine(ctx, "Code and user_id of the mailed link, with a space between them", "")
	if err != nil {
		return "", "", err
	}
	fields := strings.Fields(line)
	if len(fields) != 2 {
		return "", "", fmt.Errorf("%w: want a code and a user_id, with a space between them, got %d words",
			kalshiauth.ErrInvalidInput, len(fields))
	}
	return fields[0], fields[1], nil
}
