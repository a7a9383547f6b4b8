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

	path string // escaped, without a slash at the end
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
	return baseURL{u, u.EscapedPath()}, nil
}

// below returns the escaped path of u relative to the base URL. scheme and host are parameters, since the URL of a
// request that a server receives has neither.
func (b baseURL) below(scheme, host string, u *url.URL) (path string, ok bool) {
	if !strings.EqualFold(scheme, b.Scheme) || !isSameHost(scheme, host, b.Host) {
		return "", false
	}
	path, ok = strings.CutPrefix(u.EscapedPath(), b.path)
	return path, ok && (path == "" || path[0] == '/')
}

// endpoint returns the URL of an escaped path below the base URL.
func (b baseURL) endpoint(path string) string { return b.Scheme + "://" + b.Host + b.path + path }

// isSameHost reports whether two hosts are the same, each with or without a port.
func isSameHost(scheme, a, b string) bool {
	nameA, portA := splitHost(scheme, a)
	nameB, portB := splitHost(scheme, b)
	return strings.EqualFold(nameA, nameB) && portA == portB
}

// splitHost splits a host into its name and its port.
func splitHost(scheme, host string) (name, port string) {
	name = host
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		name, port = host[:i], host[i+1:]
	}
	if port != "" {
		return name, port
	}
	if strings.EqualFold(scheme, "https") {
		return name, "443"
	}
	return name, "80"
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
