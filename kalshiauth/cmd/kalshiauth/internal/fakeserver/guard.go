package fakeserver

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
)

// guard returns the reason why a request may not use the control interface, or nil.
//
// A page of another origin must not reach it. Its requests carry its own Origin, or Sec-Fetch-Site. If it makes its
// name lead to this machine (DNS rebinding), the browser takes it for a page of this server, but the Host is its own.
func (s *Server) guard(r *http.Request) *problem {
	client, _, err := net.SplitHostPort(r.RemoteAddr)
	if len(s.config.ControlHosts) == 0 && (err != nil || !isLoopback(client)) {
		return &problem{http.StatusForbidden, "only this machine may control the server: to allow other machines, start it " +
			"with -control-host HOST, where HOST is what they call it by"}
	}
	if host := hostname(r.Host); !s.isOwn(host) {
		return &problem{http.StatusForbidden, fmt.Sprintf("the server does not know the host %q as its own: call it by %s, "+
			"or start it with -control-host %s", host, hostname(s.config.host()), host)}
	}
	if from := r.Header.Get("Origin"); from != "" && !strings.EqualFold(from, origin(r)) {
		return &problem{http.StatusForbidden, fmt.Sprintf("pages of %s may not control the server: call it from a program, "+
			"which sends no Origin header", from)}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-site", "cross-site":
		// A link from another page, such as the one in a mail, may lead here.
		isLink := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
		if !isLink || r.Method != http.MethodGet && r.Method != http.MethodHead {
			return &problem{http.StatusForbidden, "pages of other origins may not control the server: call it from a program"}
		}
	}
	return nil
}

// isOwn reports whether a host is a name of this server. A page of another origin cannot have one of these names.
func (s *Server) isOwn(host string) bool {
	known := append([]string{"localhost", hostname(s.config.host())}, s.config.ControlHosts...)
	return isLoopback(host) || slices.ContainsFunc(known, func(own string) bool { return strings.EqualFold(own, host) })
}

// host returns the host and the port of BaseURL.
func (c *Config) host() string {
	_, rest, _ := strings.Cut(c.BaseURL, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// hostname returns a host without its port and brackets.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

func isLoopback(ip string) bool { return net.ParseIP(ip).IsLoopback() }
