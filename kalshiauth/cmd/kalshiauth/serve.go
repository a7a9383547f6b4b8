package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "serve the fake server, so that programs in any language can test against it",
		Description: "It prints its base URL once it listens, the users, and each mail that a password reset sends.\n" +
			"It keeps everything in memory, and ends on an interrupt.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "addr", Value: "127.0.0.1:8080", Usage: "`HOST:PORT` to listen on; port 0 picks a free one"},
			&cli.StringFlag{Name: "path-prefix", Value: "/v1", Usage: "`PATH` below which the API is served; may be empty"},
			&cli.StringSliceFlag{Name: "user", Usage: "`EMAIL:PASSWORD` of a user; may be repeated"},
			&cli.DurationFlag{Name: "session-lifetime", Value: 30 * time.Minute, Usage: "how long a session lives"},
		},
		DisableSliceFlagSeparator: true, // a password may have a comma
		Action:                    serve,
	}
}

func serve(ctx context.Context, cmd *cli.Command) error {
	out := cmd.Root().Writer
	prefix := cmd.String("path-prefix")
	if prefix != "" && !strings.HasPrefix(prefix, "/") || strings.HasSuffix(prefix, "/") {
		return usageError{errors.New("-path-prefix begins with a slash, and does not end with one")}
	}
	if cmd.Duration("session-lifetime") <= 0 {
		return usageError{errors.New("-session-lifetime is not positive")}
	}
	opts := []kalshiauthtest.Option{
		kalshiauthtest.WithSessionLifetime(cmd.Duration("session-lifetime")),
		kalshiauthtest.WithMailer(func(m kalshiauthtest.Mail) {
			_, _ = fmt.Fprintf(out, "mail to %s: code %s user_id %s link %s\n", m.Email, m.Code, m.UserID, m.Link)
		}),
	}
	if prefix != "" {
		if err := catch(func() { opts = append(opts, kalshiauthtest.WithPathPrefix(prefix)) }); err != nil {
			return usageError{fmt.Errorf("-path-prefix: %w", err)}
		}
	}
	fake := kalshiauthtest.NewUnstartedServer(opts...)
	defer fake.Close()
	for _, user := range cmd.StringSlice("user") {
		email, password, ok := strings.Cut(user, ":")
		if !ok || email == "" || password == "" {
			return usageError{errors.New("-user is EMAIL:PASSWORD")}
		}
		var added kalshiauthtest.User
		if err := catch(func() { added = fake.AddUser(email, password) }); err != nil {
			return usageError{fmt.Errorf("-user %s: %w", email, err)}
		}
		_, _ = fmt.Fprintf(out, "user %s user_id %s\n", added.Email, added.ID)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cmd.String("addr"))
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	_, _ = fmt.Fprintf(out, "serving http://%s%s\n", listener.Addr(), prefix)
	server := &http.Server{Handler: fake.Handler(), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// catch returns the text of a panic of kalshiauthtest about an invalid value, without the function's name.
func catch(call func()) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case string:
			_, problem, _ := strings.Cut(p, "): ")
			err = errors.New(problem)
		default:
			panic(p)
		}
	}()
	call()
	return nil
}
