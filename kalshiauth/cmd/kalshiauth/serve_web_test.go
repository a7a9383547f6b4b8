package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/api"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

func TestServeLetsPagesOfGivenOriginsCallTheAPI(t *testing.T) {
	t.Parallel()
	const first, second = "http://localhost:3000", "https://app.example"
	s := startServe(t, "-cors", first, "-cors", second)
	for _, origin := range []string{first, second, "http://localhost:3001", "https://localhost:3000", "http://localhost:3000.evil.example", "null"} {
		allowed := origin == first || origin == second
		want := map[bool]string{true: origin}[allowed]
		preflight := s.send(t, "OPTIONS", s.base+"/log_in", "", "Origin: "+origin, "Access-Control-Request-Method: POST",
			"Access-Control-Request-Headers: content-type")
		header := preflight.header
		if preflight.status != map[bool]int{true: 204, false: 403}[allowed] || header.Get("Access-Control-Allow-Origin") != want {
			t.Errorf("%s: the preflight is %d %v %s", origin, preflight.status, header, preflight.body)
		}
		if !allowed && !strings.Contains(preflight.body, "-cors "+origin) {
			t.Errorf("%s: the preflight does not say what to do: %s", origin, preflight.body)
		}
		if allowed && (header.Get("Access-Control-Allow-Credentials") != "true" ||
			header.Get("Access-Control-Allow-Methods") != "POST" || header.Get("Access-Control-Allow-Headers") != "content-type") {
			t.Errorf("%s: the preflight is %v", origin, header)
		}
		// Errors and the responses of faults are for the page, too.
		s.ask(t, 201, "POST", "faults", `{"fault":"garbage","on":"/garbage"}`)
		for _, path := range []string{"/log_in", "/users/7/balance", "/garbage"} {
			got := s.send(t, "POST", s.base+path, goodLogIn, "Origin: "+origin)
			if got.header.Get("Access-Control-Allow-Origin") != want || !slices.Contains(got.header.Values("Vary"), "Origin") {
				t.Errorf("%s: %s is %d %v", origin, path, got.status, got.header)
			}
			exposed := got.header.Get("Access-Control-Expose-Headers")
			if allowed && (got.header.Get("Access-Control-Allow-Credentials") != "true" || !strings.Contains(exposed, "message")) {
				t.Errorf("%s: %s is %d %v", origin, path, got.status, got.header)
			}
		}
	}
	// A cache must not give the response for one origin to another one.
	for _, got := range []reply{s.send(t, "POST", s.base+"/log_in", goodLogIn), s.send(t, "OPTIONS", s.base+"/log_in", "", "Origin: x", "Access-Control-Request-Method: PUT")} {
		if vary := strings.Join(got.header.Values("Vary"), ","); !strings.Contains(vary, "Origin") {
			t.Errorf("the answer is %d with Vary: %s", got.status, vary)
		}
	}
}

func TestServeHasNoCORSWithoutTheFlag(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	for _, method := range []string{"POST", "OPTIONS"} {
		got := s.send(t, method, s.base+"/log_in", goodLogIn, "Origin: http://localhost:3000", "Access-Control-Request-Method: POST")
		for name := range got.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s has the header %s", method, name)
			}
		}
	}
}

func TestTheCookieWorksAcrossSitesWithTLSAndCORS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args     []string
		sameSite http.SameSite
		secure   bool
	}{
		{nil, http.SameSiteLaxMode, false},
		{[]string{"-cors", "http://localhost:3000"}, http.SameSiteLaxMode, false},
		{[]string{"-tls"}, http.SameSiteLaxMode, true},
		{[]string{"-tls", "-cors", "http://localhost:3000"}, http.SameSiteNoneMode, true},
	} {
		s := startServe(t, c.args...)
		s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // a test of cookies
		cookie, err := http.ParseSetCookie(s.logIn(t, "trader@example.com", servedPassword).header.Get("Set-Cookie"))
		if err != nil || cookie.SameSite != c.sameSite || cookie.Secure != c.secure || !cookie.HttpOnly || cookie.Domain != "" {
			t.Errorf("%q: the cookie is %v (%v)", c.args, cookie, err)
		}
	}
}

// trusting returns the certificates in a file.
func trusting(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	data, err := os.ReadFile(file) //nolint:gosec // a file of the test
	if err != nil {
		t.Fatal(err)
	}
	if block, rest := pem.Decode(data); block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		t.Errorf("the file is not one certificate: %s", data)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(data)
	return pool
}

func TestServeMakesACertificateThatClientsCanTrust(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ca.pem")
	s := startServe(t, "-tls", "-tls-cert", file, "-control-host", "fake.internal")
	base, err := url.Parse(s.base)
	if err != nil || base.Scheme != "https" || !strings.HasPrefix(s.control, "https://") {
		t.Fatalf("the base URL is %s, and the control interface at %s", s.base, s.control)
	}
	pool := trusting(t, file)
	for host, good := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "::1": true, "fake.internal": true, "evil.example": false, "127.0.0.2": false,
	} {
		dialer := tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: host, NextProtos: []string{"h2"}}}
		conn, err := dialer.DialContext(t.Context(), "tcp", base.Host)
		if (err == nil) != good {
			t.Errorf("%s: %v", host, err)
		}
		if err == nil {
			state := conn.(*tls.Conn).ConnectionState()
			if leaf := state.PeerCertificates[0]; leaf.IsCA || leaf.NotAfter.Sub(leaf.NotBefore) > 398*24*time.Hour || state.NegotiatedProtocol != "h2" {
				t.Errorf("%s: the certificate is %v, the protocol %q", host, leaf, state.NegotiatedProtocol)
			}
			_ = conn.Close()
		}
	}
	// Without the file, nobody trusts it.
	if _, err := s.try(t, "GET", s.control, ""); err == nil {
		t.Error("a client trusts the certificate without the file")
	}
	client, err := kalshiauth.New(kalshiauth.WithBaseURL(s.base), kalshiauth.WithHTTPClient(&http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Login(t.Context(), kalshiauth.Credentials{Email: "trader@example.com", Password: servedPassword}); err != nil {
		t.Error(err)
	}
	// The page works, too: its forms come from an https origin.
	s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	for origin, want := range map[string]int{"https://" + base.Host: 303, "http://" + base.Host: 403} {
		form := "token=" + s.formToken(t, s.send(t, "GET", s.control, "").body)
		if got := s.send(t, "POST", s.control+"end-sessions", form, formType, "Origin: "+origin); got.status != want {
			t.Errorf("a form of %s is %d %s", origin, got.status, got.body)
		}
	}
	again := filepath.Join(t.TempDir(), "ca.pem")
	startServe(t, "-tls", "-tls-cert", again)
	if pool.Equal(trusting(t, again)) {
		t.Error("two servers have the same certificate")
	}
}

func TestTheCertificateIsForTheHostOfTheAddress(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ca.pem")
	ip := outside(t)
	s := startServe(t, "-addr", net.JoinHostPort(ip, "0"), "-tls", "-tls-cert", file)
	if !strings.HasPrefix(s.base, "https://"+ip+":") {
		t.Errorf("the base URL is %s", s.base)
	}
	s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusting(t, file)}}
	if got := s.logIn(t, "trader@example.com", servedPassword); got.status != 200 {
		t.Errorf("a log-in is %d", got.status)
	}
}

func TestServeServesTheDocumentWithItselfAsTheServer(t *testing.T) {
	t.Parallel()
	s := startServe(t, "-cors", "http://localhost:3000")
	root := strings.TrimSuffix(s.base, "/v1")
	base, err := url.Parse(root)
	if err != nil {
		t.Fatal(err)
	}
	load := func(data []byte) *openapi3.T {
		doc, err := openapi3.NewLoader().LoadFromData(data)
		if err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		return doc
	}
	for host, want := range map[string]string{
		base.Host:                      s.base,
		"fake.internal:" + base.Port(): "http://fake.internal:" + base.Port() + "/v1",
		"[::1]:8080":                   "http://[::1]:8080/v1",
		"a'b.example":                  s.base,
	} {
		got := s.send(t, "GET", root+"/openapi.yaml", "", "Host: "+host, "Origin: http://localhost:3000")
		doc, whole := load([]byte(got.body)), load(api.Document)
		if len(doc.Servers) != 1 || doc.Servers[0].URL != want {
			t.Errorf("%s: the servers are %v, want %s", host, doc.Servers, want)
		}
		doc.Servers, whole.Servers = nil, nil
		mine, err := doc.MarshalJSON()
		theirs, err2 := whole.MarshalJSON()
		if err != nil || err2 != nil || !bytes.Equal(mine, theirs) {
			t.Errorf("%s: the rest of the document differs (%v, %v)", host, err, err2)
		}
		if got.status != 200 || got.header.Get("Content-Type") != "application/yaml" ||
			got.header.Get("Access-Control-Allow-Origin") != "http://localhost:3000" {
			t.Errorf("the document is %d %v", got.status, got.header)
		}
	}
	if got := s.send(t, "PUT", root+"/openapi.yaml", ""); got.status != 405 || got.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("PUT is %d", got.status)
	}
	if got := startServe(t, "-path-prefix", ""); strings.Count(got.base, "/") != 2 {
		t.Errorf("without a prefix, the base URL is %s", got.base)
	}
}
