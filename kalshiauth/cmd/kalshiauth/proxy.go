package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v3"
)

// Time limits of the proxy.
const (
	drainTime  = 5 * time.Second // for exchanges in flight, after an interrupt
	endTime    = time.Second     // for exchanges that were cut off
	headerTime = 10 * time.Second
)

func contractProxyCommand() *cli.Command {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "upstream", Usage: "base `URL` of the server to pass traffic on to"},
		&cli.StringFlag{Name: "listen", Value: "127.0.0.1:8081", Usage: "`HOST:PORT` to listen on; port 0 picks a free one"},
	}
	return &cli.Command{
		Name:  "proxy",
		Usage: "pass the traffic of a program on to a server, and check it",
		Description: contractExitCodes + "\n\n" +
			"The program uses the URL that the command prints in place of the server's. The command prints each violation\n" +
			"as a line on standard output, or on standard error if a report goes to standard output. On an interrupt, it\n" +
			"lets the exchanges in flight end, writes the reports, and exits. It accepts HTTP/1.1, and HTTP/2 without TLS.",
		Flags:                     append(append(append(flags, transportFlags()...), documentFlag()), reportFlags()...),
		DisableSliceFlagSeparator: true,
		Action:                    contractProxy,
	}
}

func contractProxy(ctx context.Context, cmd *cli.Command) error {
	p, err := newProxy(cmd) //nolint:contextcheck // kin-openapi takes a context and does not use it
	if err != nil {
		return usageError{err}
	}
	return p.finish(p.serve(ctx, cmd.String("listen")))
}

// A proxy passes traffic on to its upstream.
type proxy struct {
	*checking

	upstream *url.URL
	running  sync.RWMutex // held for reading by each exchange
}

// newProxy returns the proxy of the flags. Its errors are usage errors.
func newProxy(cmd *cli.Command) (*proxy, error) {
	checking, err := newChecking(cmd)
	if err != nil {
		return nil, err
	}
	if !cmd.IsSet("upstream") {
		return nil, errors.New("the server is missing: give -upstream URL")
	}
	if err := checkListen(cmd.String("listen"), cmd.Bool("insecure-http")); err != nil {
		return nil, err
	}
	client, err := newClientAt("upstream", cmd.String("upstream"), cmd.Bool("insecure-http"))
	if err != nil {
		return nil, err
	}
	upstream, err := url.Parse(client.BaseURL())
	if err != nil {
		return nil, fmt.Errorf("-upstream: %w", err)
	}
	transport, err := newTransport(cmd)
	if err != nil {
		return nil, err
	}
	transport.MaxIdleConnsPerHost = transport.MaxIdleConns // all go to one host
	transport.DisableCompression = true                    // bodies pass as they are
	http.DefaultTransport = transport                      // which Proxy uses
	return &proxy{checking: checking, upstream: upstream}, checking.against(client.BaseURL())
}

// checkListen refuses an address where other machines would send passwords unencrypted.
func checkListen(address string, insecureHTTP bool) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return fmt.Errorf("-listen is %q: give HOST:PORT, such as 127.0.0.1:8081", address)
	}
	if !insecureHTTP && !strings.EqualFold(host, "localhost") && !net.ParseIP(host).IsLoopback() {
		return fmt.Errorf("-listen %s would take passwords of other machines unencrypted: "+
			"listen on 127.0.0.1, or allow it with -insecure-http", address)
	}
	return nil
}

// serve passes traffic on until ctx ends, and then lets the exchanges in flight end.
func (p *proxy) serve(ctx context.Context, address string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	// An exchange in flight does not end with ctx. cut ends it: a connection after an upgrade, too.
	exchanges, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := &http.Server{
		Handler: p.tracked(p.Proxy(p.upstream)), ReadHeaderTimeout: headerTime, Protocols: new(http.Protocols),
		BaseContext: func(net.Listener) context.Context { return exchanges },
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	_, _ = fmt.Fprintf(p.cmd.Root().ErrWriter, "proxying http://%s to %s\n", listener.Addr(), p.upstream)
	select {
	case err := <-failed:
		return fmt.Errorf("-listen: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(exchanges, drainTime)
	defer cancel()
	_ = server.Shutdown(drain)
	cut()
	_ = server.Close()
	p.waitForExchanges()
	return nil
}

// tracked returns a handler whose exchanges waitForExchanges waits for.
func (p *proxy) tracked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.running.RLock()
		defer p.running.RUnlock()
		next.ServeHTTP(w, r)
	})
}

// waitForExchanges waits until all exchanges have ended, so that the report has them, but not for long.
func (p *proxy) waitForExchanges() {
	ended := make(chan struct{})
	go func() {
		p.running.Lock() // and never unlocks it: no exchange begins after this
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(endTime):
	}
}
