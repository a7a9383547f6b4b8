package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/cmd/kalshiauth/internal/fakeserver"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "serve the fake server, so that programs in any language can test against it",
		Description: "It prints the users, the address of the page and the interface that control it, its base URL, and\n" +
			"each mail that a password reset sends. It keeps everything in memory, and ends on an interrupt.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "addr", Value: "127.0.0.1:8080", Usage: "`HOST:PORT` to listen on; port 0 picks a free one"},
			&cli.StringFlag{Name: "path-prefix", Value: "/v1", Usage: "`PATH` below which the API is served; may be empty"},
			&cli.StringSliceFlag{
				Name: "user", Usage: "`EMAIL` of a user, whose password is made and printed; may be repeated. EMAIL:PASSWORD " +
					"works too, but shows the password to other users of this machine",
			},
			&cli.StringFlag{
				Name: "users", Usage: "`FILE` with users, in JSON: [{\"email\": …, \"password\": …, \"user_id\": …}, …]",
			},
			&cli.DurationFlag{Name: "session-lifetime", Value: 30 * time.Minute, Usage: "how long a session lives"},
			&cli.StringSliceFlag{
				Name: "cors", Usage: "`ORIGIN` of a page that may call the API from a browser, such as http://localhost:3000; " +
					"may be repeated",
			},
			&cli.BoolFlag{Name: "tls", Usage: "serve https, with a certificate that is made at the start"},
			&cli.StringFlag{
				Name: "tls-cert", Usage: "`FILE` to write the certificate to that clients can trust, in PEM; needs -tls",
			},
			&cli.StringSliceFlag{
				Name:  "control-host",
				Usage: "`HOST` by which other machines may call " + fakeserver.ControlPath + "; may be repeated",
			},
		},
		DisableSliceFlagSeparator: true, // a password may have a comma
		Action:                    serve,
	}
}

func serve(ctx context.Context, cmd *cli.Command) error {
	config, err := serveConfig(ctx, cmd)
	if err != nil {
		return usageError{err}
	}
	if slices.ContainsFunc(cmd.StringSlice("user"), func(user string) bool { return strings.Contains(user, ":") }) {
		_, _ = fmt.Fprintln(cmd.Root().ErrWriter, "kalshiauth: warning: -user EMAIL:PASSWORD shows the password to other "+
			"users of this machine: give -user EMAIL, or a file with -users")
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cmd.String("addr"))
	if err != nil {
		return listenError(cmd.String("addr"), err)
	}
	defer func() { _ = listener.Close() }()
	host, _, _ := net.SplitHostPort(cmd.String("addr")) // serveConfig has checked it
	tlsConfig, err := serveTLS(cmd, slices.Concat(cmd.StringSlice("control-host"), []string{host}))
	if err != nil {
		return err
	}
	scheme := "http"
	if tlsConfig != nil {
		scheme = "https"
		listener = tls.NewListener(listener, tlsConfig)
	}
	root := scheme + "://" + calledBy(host, listener.Addr())
	config.BaseURL = root + config.Prefix
	fake, err := fakeserver.New(&config.Config)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	defer fake.Close()
	for i, user := range fake.Users() {
		line := fmt.Sprintf("user %s user_id %s", user.Email, user.ID)
		if config.made[i] {
			line += " password " + user.Password
		}
		_, _ = fmt.Fprintln(cmd.Root().Writer, line)
	}
	_, _ = fmt.Fprintf(cmd.Root().Writer, "control %s\nserving %s\n", root+fakeserver.ControlPath, config.BaseURL)
	server := &http.Server{
		Handler: fake, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(cmd.Root().ErrWriter, "", 0),
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// A servedConfig is the configuration of the flags.
type servedConfig struct {
	fakeserver.Config

	made []bool // for each user, whether its password was made
}

// serveConfig returns the configuration of the flags, without the base URL. Its errors are usage errors.
func serveConfig(ctx context.Context, cmd *cli.Command) (config servedConfig, err error) {
	out := cmd.Root().Writer
	config.Config = fakeserver.Config{
		Prefix: cmd.String("path-prefix"), SessionLifetime: cmd.Duration("session-lifetime"),
		Origins: cmd.StringSlice("cors"), ControlHosts: cmd.StringSlice("control-host"),
		CrossSite: cmd.Bool("tls") && len(cmd.StringSlice("cors")) > 0,
		Mailer: func(m kalshiauthtest.Mail) {
			_, _ = fmt.Fprintf(out, "mail to %s: code %s user_id %s link %s\n", m.Email, m.Code, m.UserID, m.Link)
		},
	}
	if err := noEmptyFlag(cmd, "path-prefix"); err != nil {
		return config, err
	}
	if err := checkAddress(ctx, cmd.String("addr")); err != nil {
		return config, err
	}
	switch prefix := config.Prefix; {
	case prefix != "" && !strings.HasPrefix(prefix, "/") || strings.HasSuffix(prefix, "/"):
		return config, errors.New("-path-prefix begins with a slash, and does not end with one")
	case strings.HasPrefix(prefix+"/", fakeserver.ControlPath):
		return config, fmt.Errorf("-path-prefix: %s is where the server is controlled: give another path", prefix)
	}
	if err := fakeserver.Catch(func() { kalshiauthtest.WithPathPrefix(config.Prefix) }); err != nil {
		return config, fmt.Errorf("-path-prefix: %w", err)
	}
	if config.SessionLifetime <= 0 {
		return config, errors.New("-session-lifetime is not positive")
	}
	for _, origin := range config.Origins {
		if err := fakeserver.CheckOrigin(origin); err != nil {
			return config, fmt.Errorf("-cors: %w", err)
		}
	}
	for _, host := range config.ControlHosts {
		if strings.ContainsAny(host, "/ []*") || strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return config, fmt.Errorf("-control-host is %q: give a host name or an IP address, without scheme and port", host)
		}
	}
	if cmd.IsSet("tls-cert") && !cmd.Bool("tls") {
		return config, errors.New("-tls-cert needs -tls")
	}
	config.Users, config.made, err = serveUsers(cmd)
	return config, err
}

// checkAddress checks the form of -addr. Whether the server can listen there is not known yet.
func checkAddress(ctx context.Context, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return fmt.Errorf("-addr is %q: give HOST:PORT, such as 127.0.0.1:8080", address)
	}
	if _, err := net.DefaultResolver.LookupPort(ctx, "tcp", port); err != nil {
		return fmt.Errorf("-addr is %q: the port is a number from 0 to 65535", address)
	}
	return nil
}

// serveTLS returns the configuration for TLS, or nil for none. It writes the certificate to trust to -tls-cert.
func serveTLS(cmd *cli.Command, hosts []string) (*tls.Config, error) {
	if !cmd.Bool("tls") {
		return nil, nil //nolint:nilnil // no TLS is no error
	}
	hosts = slices.DeleteFunc(hosts, func(host string) bool { return host == "" })
	certificate, authority, err := fakeserver.NewCertificate(hosts...)
	if err != nil {
		return nil, fmt.Errorf("-tls: %w", err)
	}
	if file := cmd.String("tls-cert"); file != "" {
		if err := os.WriteFile(file, authority, 0o644); err != nil { //nolint:gosec // a certificate is for everybody
			return nil, fmt.Errorf("-tls-cert: %w", err)
		}
	}
	return &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	}, nil
}

// calledBy returns the host and port by which programs of this machine call a server that listens on a host.
func calledBy(host string, listening net.Addr) string {
	_, port, err := net.SplitHostPort(listening.String())
	if err != nil {
		return listening.String()
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// wsaeaddrinuse is what Windows has for EADDRINUSE.
const wsaeaddrinuse = syscall.Errno(10048)

// listenError says what to do if the server cannot listen.
func listenError(address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, wsaeaddrinuse):
		return fmt.Errorf("serve: %s is in use: end the other program, or give another port with -addr; "+
			"port 0 picks a free one", address)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("serve: you may not listen on %s: give a port above 1023 with -addr", address)
	default:
		return fmt.Errorf("serve: cannot listen on -addr %s: %w", address, err)
	}
}
