package contract

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// A baseURL is the base URL of the API. Requests below it are checked.
type baseURL struct {
	*url.URL

	path   string // escaped, without a slash at the end
	origin string // host and port
}

func parseBaseURL(raw string) (baseURL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return baseURL{}, errors.New("the base URL is not a URL") // err may show a password
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return baseURL{}, errors.New("the base URL is not absolute, such as https://example.com/v1")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#"):
		return baseURL{}, errors.New("the base URL has a user, a query or a fragment")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return newBaseURL(u), nil
}

func newBaseURL(u *url.URL) baseURL { return baseURL{u, u.EscapedPath(), hostPort(u.Scheme, u.Host)} }

// below returns the escaped path of u relative to the base URL. scheme and host are parameters, since the URL of a
// request that a server receives has neither.
func (b baseURL) below(scheme, host string, u *url.URL) (path string, ok bool) {
	if !strings.EqualFold(scheme, b.Scheme) || host != b.Host && hostPort(scheme, host) != b.origin {
		return "", false
	}
	path, ok = strings.CutPrefix(u.EscapedPath(), b.path)
	return path, ok && (path == "" || path[0] == '/')
}

// endpoint returns the URL of an escaped path below the base URL.
func (b baseURL) endpoint(path string) string { return b.Scheme + "://" + b.Host + b.path + path }

// hostPort returns a host in lower case and with a port, so that hosts can be compared.
func hostPort(scheme, host string) string {
	u := url.URL{Host: host}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(scheme)]
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}

// canonical returns a copy of h with canonical names, so that net/http finds them.
func canonical(h http.Header) http.Header {
	c := make(http.Header, len(h))
	for name, values := range h {
		name = http.CanonicalHeaderKey(name)
		c[name] = append(c[name], values...)
	}
	return c
}
