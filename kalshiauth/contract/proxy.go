package contract

import (
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// maxIdle is how many idle connections to its upstream a proxy keeps.
const maxIdle = 64

// Proxy returns a reverse proxy that passes requests on to upstream and checks them, for programs of any language. The
// path of a request is appended to the path of upstream, unless it begins with that path. Bodies stream, and upgraded
// connections, such as WebSockets, pass through. If upstream cannot be reached, the answer is a 502 in plain text.
//
// Proxy sends requests with a copy of [http.DefaultTransport]. It checks those that it sends to the Checker's base
// URL. If the base URL is not below upstream, it checks those to upstream instead.
func (c *Checker) Proxy(upstream *url.URL) http.Handler {
	base := http.DefaultTransport
	if t, ok := base.(*http.Transport); ok {
		t = t.Clone()
		t.MaxIdleConns, t.MaxIdleConnsPerHost = maxIdle, maxIdle
		t.DisableCompression = true // the client decides
		base = t
	}
	target := *upstream
	target.Path, target.RawPath = strings.TrimRight(target.Path, "/"), strings.TrimRight(target.RawPath, "/")
	prefix := target.EscapedPath()
	origin := url.URL{Scheme: target.Scheme, Host: target.Host}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetXForwarded()
			path := r.In.URL.EscapedPath()
			if path == prefix || strings.HasPrefix(path, prefix+"/") {
				r.SetURL(&origin)
			} else {
				r.SetURL(&target)
			}
			if r.Out.Header["User-Agent"] == nil {
				r.Out.Header["User-Agent"] = nil // or net/http would add its own
			}
		},
		Transport:     c.at(&target).Transport(base),
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(slog.DiscardHandler, 0), // its lines have URLs, which may contain a code
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			http.Error(w, "kalshiauth contract proxy: the upstream server did not answer", http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Otherwise, net/http closes the request's body with the first part of the response, while it may still be sent.
		_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/2 always has it
		proxy.ServeHTTP(w, r)
	})
}

// at returns a Checker of requests to upstream, with the same report.
func (c *Checker) at(upstream *url.URL) *Checker {
	above := newBaseURL(upstream)
	if _, ok := above.below(c.rules.base.Scheme, c.rules.base.Host, c.rules.base.URL); ok {
		return c
	}
	rules := *c.rules
	rules.base = above
	return &Checker{&rules, c.undocumented, c.sink}
}
