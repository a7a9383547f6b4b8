package main

import (
	"bufio"
	"cmp"
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
		Usage: "play a log-in, a password reset and a log-out, and show what comes back",
		Description: "Without -base-url it plays against a fake server of its own. With it, against a real server and\n" +
			"account: the password comes from KALSHI_PASSWORD. The reset is played only if KALSHI_NEW_PASSWORD is set,\n" +
			"which the account has afterwards; the code and the user_id from the mailed link are then read from standard\n" +
			"input.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "base-url", Usage: "base `URL` of a real server, such as " + kalshiauth.DemoURL},
			&cli.StringFlag{Name: "email", Usage: "`ADDRESS` of a real account", Sources: cli.EnvVars("KALSHI_EMAIL")},
		},
		Action: demo,
	}
}

// player plays the demo against one server and account.
type player struct {
	out         io.Writer
	client      *kalshiauth.Client
	creds       kalshiauth.Credentials
	newPassword string // "": the reset is not played
	// mailed returns the code and the user ID of the link that was mailed.
	mailed func(ctx context.Context) (code, userID string, err error)
}

func demo(ctx context.Context, cmd *cli.Command) error {
	root := cmd.Root()
	p := player{out: root.Writer}
	if baseURL := cmd.String("base-url"); baseURL != "" {
		p.creds = kalshiauth.Credentials{Email: cmd.String("email"), Password: os.Getenv("KALSHI_PASSWORD")}
		if p.creds.Email == "" || p.creds.Password == "" {
			return usageError{errors.New("with -base-url, the demo needs -email and the variable KALSHI_PASSWORD")}
		}
		p.newPassword = os.Getenv("KALSHI_NEW_PASSWORD")
		p.mailed = func(context.Context) (string, string, error) { return askLink(root.Reader, root.ErrWriter) }
		client, err := kalshiauth.New(kalshiauth.WithBaseURL(baseURL))
		if err != nil {
			return usageError{err}
		}
		p.client = client
		return p.play(ctx)
	}

	fake := kalshiauthtest.NewServer()
	defer fake.Close()
	p.creds = kalshiauth.Credentials{Email: "trader@example.com", Password: rand.Text()}
	p.newPassword = rand.Text()
	fake.AddUser(p.creds.Email, p.creds.Password)
	p.mailed = func(context.Context) (string, string, error) {
		mail := fake.Outbox()[0]
		return mail.Code, mail.UserID, nil
	}
	client, err := kalshiauth.New(kalshiauth.WithBaseURL(fake.URL))
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	p.client = client
	return p.play(ctx)
}

// step does one thing, and says what came back. One that is to be refused succeeds when it is.
type step struct {
	name    string
	refused bool
	do      func(ctx context.Context) (string, error)
}

func (p *player) play(ctx context.Context) error {
	p.say("The server is %s.", p.client.BaseURL())
	var session *kalshiauth.Session
	var confirm kalshiauth.PasswordResetConfirmation
	login := func(password string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			s, err := p.client.Login(ctx, kalshiauth.Credentials{Email: p.creds.Email, Password: password})
			if err != nil {
				return "", err
			}
			session = s
			return fmt.Sprintf("a session of user %s, access level %q", s.UserID, s.AccessLevel), nil
		}
	}
	logout := func(ctx context.Context) (string, error) { return "the session is over", p.client.Logout(ctx, session) }
	steps := []step{
		{"log in", false, login(p.creds.Password)},
		{"log in with a wrong password", true, login(rand.Text())},
	}
	if p.newPassword != "" {
		steps = append(steps, []step{
			{"request a password reset", false, func(ctx context.Context) (string, error) {
				return "accepted; a link is mailed", p.client.ResetPassword(ctx, p.creds.Email)
			}},
			{"read the mail", false, func(ctx context.Context) (_ string, err error) {
				confirm.NewPassword = p.newPassword
				confirm.Code, confirm.UserID, err = p.mailed(ctx)
				return "a code of " + strconv.Itoa(len(confirm.Code)) + " characters for user " + confirm.UserID, err
			}},
			{"confirm the reset with the mailed code", false, func(ctx context.Context) (string, error) {
				return "the password is set", p.client.ResetPasswordConfirm(ctx, confirm)
			}},
			{"log in with the old password", true, login(p.creds.Password)},
			{"log in with the new password", false, login(p.newPassword)},
		}...)
	}
	steps = append(steps, step{"log out", false, logout}, step{"use the session after it", true, logout})
	for i, s := range steps {
		came, err := s.do(ctx)
		switch {
		case err == nil && !s.refused:
			p.say("%d. %s: ok\n   %s", i+1, s.name, came)
		case s.refused && isRefusal(err):
			p.say("%d. %s: refused, as it should be\n   %v", i+1, s.name, err)
		case err == nil:
			return fmt.Errorf("demo: %s: the server should refuse this, and did not", s.name)
		default:
			return fmt.Errorf("demo: %s: %w", s.name, err)
		}
	}
	if p.newPassword == "" {
		p.say("The password reset was not played: set KALSHI_NEW_PASSWORD, which the account will have afterwards.")
	}
	return nil
}

func (p *player) say(format string, args ...any) { _, _ = fmt.Fprintf(p.out, format+"\n", args...) }

func isRefusal(err error) bool {
	return errors.Is(err, kalshiauth.ErrUnauthorized) || errors.Is(err, kalshiauth.ErrForbidden) ||
		errors.Is(err, kalshiauth.ErrBadRequest)
}

// askLink reads the code and the user ID from one line: the code, a space, and the user ID.
func askLink(in io.Reader, prompt io.Writer) (code, userID string, err error) {
	_, _ = fmt.Fprint(prompt, "The code and the user_id from the mailed link, with a space between them: ")
	line, err := bufio.NewReader(in).ReadString('\n')
	fields := strings.Fields(line)
	if len(fields) != 2 {
		return "", "", fmt.Errorf("want a code and a user_id, with a space between them, got %d words: %w", len(fields),
			cmp.Or(err, kalshiauth.ErrInvalidInput))
	}
	return fields[0], fields[1], nil
}
