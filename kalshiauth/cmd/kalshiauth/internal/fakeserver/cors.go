package fakeserver

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// exposed are the headers of the API that a page may read.
const exposed = "code, message, details, service, Retry-After, X-Request-Id"

// CheckOrigin returns an error if a browser never sends this origin.
func CheckOrigin(origin string) error {
	if origin == "*" {
		return errors.New("browsers refuse * for requests with cookies: give the origin of the page, such as " +
			"http://localhost:3000, and repeat the flag for several")
	}
	u, err := url.Parse(origin)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		strings.TrimPrefix(origin, u.Scheme+"://") != u.Host:
		return fmt.Errorf("%q is not an origin: give scheme, host and port only, such as http://localhost:3000", origin)
	case strings.Contains(u.Host, "*"):
		return fmt.Errorf("%q has a wildcard: give each origin by itself", origin)
	case origin != strings.ToLower(origin):
		return fmt.Errorf("%q has upper-case letters: browsers send %s", origin, strings.ToLower(origin))
	case u.Scheme == "http" && u.Port() == "80", u.Scheme == "https" && u.Port() == "443", strings.HasSuffix(u.Host, ":"):
		return fmt.Errorf("%q has the default port: browsers send %s://%s", origin, u.Scheme, u.Hostname())
	}
	return nil
}

// withCORS lets pages of the configured origins call next from a browser.
func (s *Server) withCORS(next http.Handler) http.Handler {
	if len(s.config.Origins) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header, from := w.Header(), r.Header.Get("Origin")
		header.Add("Vary", "Origin")
		allowed := slices.Contains(s.config.Origins, from)
		if allowed {
			header.Set("Access-Control-Allow-Origin", from)
			header.Set("Access-Control-Allow-Credentials", "true")
		}
		method := r.Header.Get("Access-Control-Request-Method")
		if r.Method != http.MethodOptions || from == "" || method == "" {
			if allowed {
				header.Set("Access-Control-Expose-Headers", exposed)
			}
			next.ServeHTTP(w, r)
			return
		}
		header.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
		if !allowed {
			writeJSON(w, http.StatusForbidden, failure{
				fmt.Sprintf("pages of %s may not call this server: start it with -cors %s", from, from),
			})
			return
		}
		header.Set("Access-Control-Allow-Methods", method)
		if names := r.Header.Get("Access-Control-Request-Headers"); names != "" {
			header.Set("Access-Control-Allow-Headers", names)
		}
		w.WriteHeader(http.StatusNoContent)
	})
}
