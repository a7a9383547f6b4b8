package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/urfave/cli/v3"
)

// transportFlags returns the flags that say how to connect to the server.
func transportFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "insecure-http", Usage: "allow http to other hosts than this one"},
		&cli.StringFlag{Name: "cacert", Usage: "`FILE` with the CA certificates to trust, in PEM, in place of the system's"},
		&cli.StringFlag{Name: "cert", Usage: "`FILE` with the client's certificate, in PEM; needs -key"},
		&cli.StringFlag{Name: "key", Usage: "`FILE` with its private key, in PEM"},
	}
}

func documentFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "document", Usage: "`FILE` with an OpenAPI document to check against, in place of the built-in one",
	}
}

// flagOrVariable returns the value of a flag or, if it is not given, of an environment variable.
func flagOrVariable(cmd *cli.Command, flag, variable string) (value string, given bool) {
	if cmd.IsSet(flag) {
		return cmd.String(flag), true
	}
	return os.LookupEnv(variable)
}

// noEmptyFlag returns an error if a flag was given an empty value: in CI, that is a variable that is not set.
func noEmptyFlag(cmd *cli.Command, except ...string) error {
	for _, flag := range cmd.Flags {
		name := flag.Names()[0]
		if !flag.IsSet() || slices.Contains(except, name) {
			continue
		}
		values, isList := flag.Get().([]string)
		if value, isText := flag.Get().(string); isText && value == "" || isList && slices.Contains(values, "") {
			return fmt.Errorf("-%s is empty: give a value, or leave it out", name)
		}
	}
	return nil
}

// readDocument returns the content of -document, or nil.
func readDocument(cmd *cli.Command) ([]byte, error) {
	file := cmd.String("document")
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file) //nolint:gosec // the user's own file
	if err != nil {
		return nil, fmt.Errorf("-document: %w", err)
	}
	if len(data) == 0 {
		return nil, fmt.Errorf("-document: %s is empty", file)
	}
	return data, nil
}

// checkPatterns checks the patterns of -only or -skip.
func checkPatterns(flag string, patterns []string) error {
	for _, pattern := range patterns {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("-%s %q is not a pattern: give the ID of a check, or one with * and ?, such as 'Login.*'",
				flag, pattern)
		}
	}
	return nil
}

// parsePercent parses a share such as "80%". It returns a number from 0 to 1.
func parsePercent(flag, text string) (float64, error) {
	number, found := strings.CutSuffix(text, "%")
	value, err := strconv.ParseFloat(number, 64)
	if !found || err != nil || !(value >= 0 && value <= 100) {
		return 0, fmt.Errorf("-%s is %q: give a percentage from 0%% to 100%%, such as 80%%", flag, text)
	}
	return value / 100, nil
}

// percent formats a share, rounded down, so that less than all never shows as 100%.
func percent(share float64) string {
	return strconv.FormatFloat(float64(int(share*1000+1e-9))/10, 'f', -1, 64) + "%"
}

// setByChecks are headers that the checks, or HTTP itself, set.
var setByChecks = []string{
	"Accept", "Authorization", "Connection", "Content-Length", "Content-Type", "Cookie", "Transfer-Encoding", "Upgrade",
}

// headerName is what HTTP allows as the name of a header.
var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// parseHeaders parses the values of -header. Its errors show no value, which may be a secret.
func parseHeaders(lines []string) (http.Header, error) {
	headers := http.Header{}
	for i, line := range lines {
		name, value, found := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch name = http.CanonicalHeaderKey(name); {
		case !found || !headerName.MatchString(name):
			return nil, fmt.Errorf("header number %d has no name: give -header 'Name: value'", i+1)
		case value == "":
			return nil, fmt.Errorf("header %s has no value: give -header 'Name: value', or leave it out", name)
		case strings.ContainsFunc(value, unicode.IsControl):
			return nil, fmt.Errorf("header %s has a control character in its value", name)
		case slices.Contains(setByChecks, name):
			return nil, fmt.Errorf("header %s cannot be given: the checks set it themselves", name)
		}
		headers.Add(name, value)
	}
	return headers, nil
}

// newHTTPClient returns a client with the certificates of the flags, which adds headers to each request.
func newHTTPClient(cmd *cli.Command, baseURL string, headers http.Header) (*http.Client, error) {
	transport, err := newTransport(cmd)
	if err != nil {
		return nil, err
	}
	traced := trace(cmd, baseURL, transport, slices.Concat(slices.Collect(maps.Values(headers))...)...)
	if len(headers) == 0 {
		return &http.Client{Transport: traced}, nil
	}
	return &http.Client{Transport: headerTransport{traced, headers}}, nil
}

// newTransport returns a transport with the certificates of the flags.
func newTransport(cmd *cli.Command) (*http.Transport, error) {
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("the program has no default transport")
	}
	transport = transport.Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if file := cmd.String("cacert"); file != "" {
		data, err := os.ReadFile(file) //nolint:gosec // the user's own file
		if err != nil {
			return nil, fmt.Errorf("-cacert: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("-cacert: %s has no certificate in PEM", file)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	cert, key := cmd.String("cert"), cmd.String("key")
	if (cert == "") != (key == "") {
		return nil, errors.New("-cert and -key belong together: one of them is missing")
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("-cert and -key: %w", err)
		}
		transport.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	return transport, nil
}

// A headerTransport sets headers of each request.
type headerTransport struct {
	base    http.RoundTripper
	headers http.Header
}

func (t headerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	maps.Copy(req.Header, t.headers)
	if host := t.headers.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	return t.base.RoundTrip(req) //nolint:wrapcheck // a transport's errors are http.Client's to wrap
}
