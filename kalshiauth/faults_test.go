package kalshiauth_test

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

// TestMain silences net/http, which logs what comes on an idle connection.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	m.Run()
}

// A fault is one way in which a server, or the way to it, fails.
type fault struct {
	name string
	// answer is what the server writes once it has read a request. SUCCESS stands for the operation's documented
	// status, BODY for the body of a login, and ECHO for all secrets there are.
	answer string
	then   func(conn net.Conn) // what it does next; nil: it closes the connection
	// instead replaces all that: it has the connection before a request is read.
	instead func(conn net.Conn)
	// client changes how the client gets to the server. cancel ends the context of the call.
	client  func(t *testing.T, transport *http.Transport, cancel context.CancelFunc) http.RoundTripper
	tls     bool          // the server speaks TLS
	timeout time.Duration // of the call; 0: it does not matter
	retries int           // how many the client may make; the server takes one request in any case
	want    func(op string) outcome
}

// An outcome is what a call comes to.
type outcome struct {
	ok     bool             // there is no error
	status int              // of the answer; 0: there is none
	is     []error          // what errors.Is finds
	as     func(error) bool // what else is true of the error; nil: nothing
}

// request stands for an authenticated request beside the names of the operations.
const request = "request"

var documentedSuccess = map[string]int{
	"Login": 200, "Logout": 204, "ResetPassword": 202, "ResetPasswordConfirm": 204, request: 200,
}

// secretsOf are what no error of an operation may show.
var secretsOf = map[string][]string{
	"Login": {password}, "Logout": {token}, "ResetPasswordConfirm": {code, newPassword}, request: {token},
}

// lost is a call without an answer.
func lost(causes ...error) func(string) outcome {
	return func(string) outcome { return outcome{is: causes} }
}

// lostBy is a call that ends without an answer, by an error of the type T.
func lostBy[T error]() func(string) outcome {
	return func(string) outcome {
		return outcome{as: func(err error) bool {
			var cause T
			return errors.As(err, &cause)
		}}
	}
}

// lostWith is a call without an answer whose error has a text that only its cause has.
func lostWith(text string) func(string) outcome {
	return func(string) outcome {
		return outcome{as: func(err error) bool { return strings.Contains(err.Error(), text) }}
	}
}

// answered is a call whose answer has a status.
func answered(status int) func(string) outcome {
	return func(op string) outcome {
		if documentedSuccess[op] == status && op != "Login" || op == request {
			return outcome{ok: true, status: status}
		}
		return outcome{status: status, is: sentinelsOf(status)}
	}
}

// broken is the documented success with a body that is none. Only a login reads it.
func broken(causes ...error) func(string) outcome {
	return func(op string) outcome {
		o := answered(documentedSuccess[op])(op)
		o.is = append(o.is, causes...)
		return o
	}
}

// fine is a call that the fault does not concern.
func fine(op string) outcome { return outcome{ok: true, status: documentedSuccess[op]} }

func sentinelsOf(status int) []error {
	switch {
	case status < 400:
		return []error{kalshiauth.ErrUnexpectedResponse}
	case status == 503:
		return []error{kalshiauth.ErrServer, kalshiauth.ErrUnavailable}
	case status >= 500 && status <= 599:
		return []error{kalshiauth.ErrServer}
	}
	if err := map[int]error{
		400: kalshiauth.ErrBadRequest, 401: kalshiauth.ErrUnauthorized, 403: kalshiauth.ErrForbidden,
		429: kalshiauth.ErrRateLimited,
	}[status]; err != nil {
		return []error{err}
	}
	return nil
}

const (
	jsonHead = "HTTP/1.1 SUCCESS\r\nContent-Type: application/json\r\n"
	closing  = "Connection: close\r\n\r\n"
	soon     = 50 * time.Millisecond
)

// What a server does after its answer.

func hang(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

func halfClose(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	hang(conn)
}

// endlessly writes text again and again, as fast as it is taken.
func endlessly(text string) func(net.Conn) {
	data := bytes.Repeat([]byte(text), 1+4096/len(text))
	return func(conn net.Conn) {
		for {
			if _, err := conn.Write(data); err != nil {
				return
			}
		}
	}
}

// trickle writes text again and again, a byte at a time.
func trickle(text string) func(net.Conn) {
	return func(conn net.Conn) {
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for i := 0; ; i++ {
			if _, err := io.WriteString(conn, text[i%len(text):][:1]); err != nil {
				return
			}
			<-ticker.C
		}
	}
}

func zip(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

// connectionFaults are those before there is an answer.
func connectionFaults() []fault {
	dial := func(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(
		*testing.T, *http.Transport, context.CancelFunc,
	) http.RoundTripper {
		return func(_ *testing.T, transport *http.Transport, _ context.CancelFunc) http.RoundTripper {
			transport.DialContext = dial
			return transport
		}
	}
	resolver := func(err error) *net.Dialer {
		return &net.Dialer{Resolver: &net.Resolver{
			PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, err },
		}}
	}
	toNowhere := func(dialer *net.Dialer) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, "kalshi.invalid.:443")
		}
	}
	trusting := func(change func(*tls.Config)) func(*testing.T, *http.Transport, context.CancelFunc) http.RoundTripper {
		return func(_ *testing.T, transport *http.Transport, _ context.CancelFunc) http.RoundTripper {
			change(transport.TLSClientConfig)
			return transport
		}
	}
	return []fault{
		{
			name: "connection refused", want: lost(syscall.ECONNREFUSED),
			client: func(t *testing.T, transport *http.Transport, _ context.CancelFunc) http.RoundTripper {
				t.Helper()
				path := filepath.Join(t.TempDir(), "s")
				listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
				if err != nil {
					t.Fatal(err)
				}
				listener.SetUnlinkOnClose(false) // a socket that nobody listens to
				_ = listener.Close()
				transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, "unix", path)
				}
				return transport
			},
		},
		{name: "no name server", client: dial(toNowhere(resolver(syscall.ENETUNREACH))), want: lostBy[*net.DNSError]()},
		{name: "a name server that does not answer", client: dial(toNowhere(resolver(os.ErrDeadlineExceeded))), want: lostBy[*net.DNSError]()},
		{name: "no such host", client: dial(func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}}
		}), want: lostBy[*net.DNSError]()},
		{name: "no route", client: dial(func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}
		}), want: lost(syscall.EHOSTUNREACH)},
		{name: "no connection in time", timeout: soon, client: dial(func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}), want: lost(context.DeadlineExceeded)},
		{name: "a proxy that refuses", client: func(_ *testing.T, transport *http.Transport, _ context.CancelFunc) http.RoundTripper {
			transport.Proxy = func(req *http.Request) (*url.URL, error) { return &url.URL{Scheme: "http", Host: req.URL.Host}, nil }
			return roundTripper(func(req *http.Request) (*http.Response, error) {
				req.URL.Scheme = "https"
				return transport.RoundTrip(req)
			})
		}, answer: "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", want: lostWith("Proxy Authentication Required")},

		{name: "closed at once", instead: func(net.Conn) {}, want: lost()},
		{name: "reset at once", instead: reset, want: lost()},
		{name: "closed after the request", want: lost(io.EOF)},
		{name: "reset after the request", then: reset, want: lost()},
		{name: "half-closed after the request", then: halfClose, want: lost(io.EOF)},
		{name: "half-closed before the request", instead: halfClose, want: lost()},
		{name: "never an answer", then: hang, timeout: soon, want: lost(context.DeadlineExceeded)},

		{name: "a certificate of nobody's", tls: true, answer: jsonHead + closing + "BODY", client: trusting(func(c *tls.Config) {
			c.RootCAs = x509.NewCertPool()
		}), want: lostBy[x509.UnknownAuthorityError]()},
		{name: "a certificate for another host", tls: true, answer: jsonHead + closing + "BODY", client: trusting(func(c *tls.Config) {
			c.ServerName = "kalshi.invalid"
		}), want: lostBy[x509.HostnameError]()},
		{name: "a certificate that is over", tls: true, answer: jsonHead + closing + "BODY", client: trusting(func(c *tls.Config) {
			c.Time = func() time.Time { return time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) }
		}), want: lostBy[x509.CertificateInvalidError]()},
		{name: "no common version of TLS", tls: true, answer: jsonHead + closing + "BODY", client: trusting(func(c *tls.Config) {
			c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		}), want: lostWith("tls: ")},
		{name: "no TLS", tls: true, instead: func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
			hang(conn)
		}, want: lostBy[tls.RecordHeaderError]()},
		{name: "garbage for a handshake", tls: true, instead: func(conn net.Conn) {
			_, _ = io.WriteString(conn, "\x16\x03\x01\x00\x05hello")
		}, want: lost()},
		{name: "closed in the handshake", tls: true, instead: func(net.Conn) {}, want: lost()},
		{name: "reset in the handshake", tls: true, instead: reset, want: lost()},
		{name: "never a handshake", tls: true, timeout: soon, instead: hang, want: lost(context.DeadlineExceeded)},
		{name: "a trickling handshake", tls: true, timeout: soon, instead: func(conn net.Conn) {
			_, _ = io.WriteString(conn, "\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb") // a long message begins
			trickle("\x00")(conn)
		}, want: lost()},
	}
}

// headFaults are those of the head of an answer.
func headFaults() []fault {
	return []fault{
		{name: "an empty line", answer: "\r\n", want: lost()},
		{name: "another protocol", answer: "SSH-2.0-OpenSSH_9.9\r\n", then: hang, want: lostWith("malformed HTTP")},
		{name: "binary garbage", answer: "\x00\xff\xfe\x01 \r\n\r\n", want: lostWith("malformed HTTP")},
		{name: "half a status line", answer: "HTTP/1.1 2", want: lost()},
		{name: "no status", answer: "HTTP/1.1 OK\r\n\r\n", want: lostWith("malformed HTTP")},
		{name: "a status of four digits", answer: "HTTP/1.1 2000 OK\r\n\r\n", want: lostWith("malformed HTTP")},
		{name: "a negative status", answer: "HTTP/1.1 -20 OK\r\n\r\n", want: lostWith("malformed HTTP")},
		{name: "a wrong version", answer: "HTTP/x.y 200 OK\r\n\r\n", want: lostWith("malformed HTTP")},
		{name: "a header without a colon", answer: jsonHead + "oops\r\n\r\nBODY", want: lostWith("malformed MIME header")},
		{name: "a header with DEL", answer: jsonHead + "X: \x7fECHO\r\n" + closing, want: lostWith("malformed MIME header")},
		{name: "a header with a NUL", answer: jsonHead + "X: \x00ECHO\r\n" + closing, want: lostWith("malformed MIME header")},
		{name: "half the headers", answer: jsonHead + "Set-Coo", want: lost()},
		{name: "headers, then a reset", answer: jsonHead, then: reset, want: lost()},
		{name: "headers that do not end", answer: jsonHead, then: endlessly("X-Padding: ECHO\r\n"), want: lostWith("exceeded")},
		{name: "one header that does not end", answer: jsonHead + "X: ", then: endlessly("padding"), want: lostWith("exceeded")},
		{name: "headers that trickle", answer: jsonHead, then: trickle("X: y\r\n"), timeout: soon, want: lost(context.DeadlineExceeded)},
		{name: "headers that stop", answer: jsonHead, then: hang, timeout: soon, want: lost(context.DeadlineExceeded)},
		{name: "a length that is no number", answer: jsonHead + "Content-Length: ten\r\n\r\n", want: lostWith("Content-Length")},
		{name: "a negative length", answer: jsonHead + "Content-Length: -1\r\n\r\n", want: lostWith("Content-Length")},
		{name: "a length beyond all numbers", answer: jsonHead + "Content-Length: 99999999999999999999\r\n\r\n", want: lostWith("Content-Length")},
		{name: "two lengths", answer: jsonHead + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", want: lostWith("Content-Length")},
		{name: "an unknown transfer encoding", answer: jsonHead + "Transfer-Encoding: smoke\r\n\r\n", want: lostWith("transfer encoding")},

		{name: "a hint, then the answer", answer: "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + jsonHead + closing + "BODY", want: fine},
		{name: "100 unasked, then the answer", answer: "HTTP/1.1 100 Continue\r\n\r\n" + jsonHead + closing + "BODY", want: fine},
		{name: "an unknown 1xx, then the answer", answer: "HTTP/1.1 199 Soon\r\n\r\n" + jsonHead + closing + "BODY", want: fine},
		{name: "a 1xx, then nothing", answer: "HTTP/1.1 100 Continue\r\n\r\n", want: lost()},
		{name: "hints without end", then: endlessly("HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"), want: lost()},
		{name: "another protocol from here on", answer: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", then: hang, want: answered(101)},
	}
}

// bodyFaults are those of the body of the documented success.
func bodyFaults() []fault {
	zipped := "Content-Encoding: gzip\r\n"
	plain := zip(strings.ReplaceAll(loginBody, "\n", ""))
	return []fault{
		{name: "no body", answer: jsonHead + "Content-Length: 0\r\n\r\n", want: broken()},
		{name: "a cut body", answer: jsonHead + "Content-Length: 1000\r\n\r\n{\"user_id\":", want: broken(io.ErrUnexpectedEOF)},
		{name: "a body and a reset", answer: jsonHead + "Content-Length: 1000\r\n\r\n{\"user_id\":", then: reset, want: broken()},
		{name: "a length that is too short", answer: jsonHead + "Content-Length: 5\r\n\r\nBODY", want: broken()},
		{name: "a length of a terabyte", answer: jsonHead + "Content-Length: 1099511627776\r\n\r\nBODY", want: broken()},
		{name: "a body that stops", answer: jsonHead + "Content-Length: 1000\r\n\r\n{", then: hang, timeout: 3 * time.Second, want: broken(context.DeadlineExceeded)},
		{name: "a body that trickles", answer: jsonHead + "\r\n{", then: trickle(" "), timeout: 3 * time.Second, want: broken(context.DeadlineExceeded)},
		{name: "a body without end", answer: jsonHead + "\r\n{", then: endlessly(" "), want: broken()},
		{name: "a number without end", answer: jsonHead + "\r\n", then: endlessly("9"), want: broken()},
		{name: "arrays without end", answer: jsonHead + "\r\n", then: endlessly("["), want: broken()},
		{name: "a string without end", answer: jsonHead + "\r\n\"", then: endlessly("x"), want: broken()},
		{name: "chunks without end", answer: jsonHead + "Transfer-Encoding: chunked\r\n\r\n", then: endlessly("1\r\n \r\n"), want: broken()},
		{name: "chunks that say little", answer: jsonHead + "Transfer-Encoding: chunked\r\n\r\n", then: endlessly("1;" + strings.Repeat("x", 4000) + "\r\n \r\n"), want: broken()},
		{name: "a wrong chunk", answer: jsonHead + "Transfer-Encoding: chunked\r\n\r\nzz\r\nBODY\r\n0\r\n\r\n", want: broken()},
		{name: "a huge chunk", answer: jsonHead + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nBODY\r\n0\r\n\r\n", want: broken()},
		{name: "a short chunk", answer: jsonHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nBODY\r\n0\r\n\r\n", want: broken()},
		{name: "no last chunk", answer: jsonHead + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", want: broken(io.ErrUnexpectedEOF)},
		{name: "gzip that is none", answer: jsonHead + zipped + closing + "BODY", want: broken(gzip.ErrHeader)},
		{name: "gzip that is cut", answer: jsonHead + zipped + closing + plain[:len(plain)/2], want: broken(io.ErrUnexpectedEOF)},
		{name: "gzip with a wrong sum", answer: jsonHead + zipped + closing + plain[:len(plain)-8] + "\x00\x00\x00\x00" + plain[len(plain)-4:], want: broken(gzip.ErrChecksum)},
		{name: "gzip of gigabytes", answer: jsonHead + zipped + closing + zip(strings.Repeat(" ", 64<<20)), want: broken()},
		{name: "gzip of nothing", answer: jsonHead + zipped + closing + zip(""), want: broken()},
		{name: "gzip without end", answer: jsonHead + zipped + closing + string([]byte(zip(""))[:10]), then: endlessly("\x00\x00\x00\xff\xff"), timeout: time.Second, want: broken()},
		{name: "an encoding nobody asked for", answer: jsonHead + "Content-Encoding: br\r\n" + closing + "\x8b\x02\x80", want: broken()},
		{name: "gzip, well", answer: jsonHead + zipped + closing + plain, want: fine},
		{name: "no content type", answer: "HTTP/1.1 SUCCESS\r\n" + closing + "BODY", want: broken()},
		{name: "two content types", answer: jsonHead + "Content-Type: text/html\r\n" + closing + "BODY", want: fine},
		{name: "a page", answer: "HTTP/1.1 SUCCESS\r\nContent-Type: text/html\r\n" + closing + "<html>ECHO</html>", want: broken()},
		{name: "UTF-16", answer: jsonHead + closing + "\xff\xfe{\x00}\x00", want: broken()},
		{name: "a mark before the JSON", answer: jsonHead + closing + "\xef\xbb\xbfBODY", want: broken()},
		{name: "two documents", answer: jsonHead + closing + "BODY;BODY", want: broken()},
		{name: "an array", answer: jsonHead + closing + "[BODY]", want: broken()},
		{name: "null", answer: jsonHead + closing + "null", want: broken()},
		{name: "other types", answer: jsonHead + closing + `{"user_id":42,"token":["ECHO"],"access_level":{}}`, want: broken()},
		{name: "no user", answer: jsonHead + closing + `{"token":"` + token + `"}`, want: broken()},
		{name: "no token and no cookie", answer: jsonHead + closing + `{"user_id":"` + userID + `"}`, want: broken()},
		{name: "a token that no cookie can carry", answer: jsonHead + closing + `{"user_id":"` + userID + `","token":"a;b\r\nX: y"}`, want: broken()},
		{name: "more than is documented", answer: jsonHead + closing + loginBody[:len(loginBody)-1] + `,"new":{"a":[1,2]}}`, want: fine},
	}
}

// cookieFaults are hostile Set-Cookie headers beside a good body, and clocks that jump.
func cookieFaults() []fault {
	var faults []fault
	for name, headers := range map[string]string{
		"for another host":          "Set-Cookie: sessions=ECHO; Domain=example.com\r\n",
		"for a whole TLD":           "Set-Cookie: sessions=x; Domain=com\r\n",
		"with bad characters":       "Set-Cookie: sessions=a\"b\\c\r\n",
		"without a value":           "Set-Cookie: sessions=\r\n",
		"without a name":            "Set-Cookie: =sessions\r\nSet-Cookie: ;;;\r\nSet-Cookie:\r\n",
		"that is deleted":           "Set-Cookie: sessions=x; Max-Age=0\r\n",
		"that ended long ago":       "Set-Cookie: sessions=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT\r\n",
		"that ends at no time":      "Set-Cookie: sessions=x; Expires=Thu, 99 Foo 99999 00:00:00 GMT; Max-Age=-9\r\n",
		"for ever and ever":         "Set-Cookie: sessions=x; Max-Age=99999999999999999999\r\n",
		"for some billion years":    "Set-Cookie: sessions=x; Max-Age=9223372036854775807\r\n",
		"of half a megabyte":        "Set-Cookie: sessions=" + strings.Repeat("x", 1<<19) + "\r\n",
		"5,000 times":               strings.Repeat("Set-Cookie: sessions=x; Path=/\r\n", 5000),
		"in quotes":                 "Set-Cookie: sessions=\"a b, c\"\r\n",
		"with attributes of nobody": "Set-Cookie: sessions=x; Secure; Secure=0; SameSite=Maybe; Partitioned; Priority=High\r\n",

		"by a clock that stands in 1970": "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n" +
			"Set-Cookie: sessions=x; Expires=Thu, 01 Jan 1970 00:30:00 GMT\r\n",
		"by a clock that stands in 9999": "Date: Fri, 31 Dec 9999 23:00:00 GMT\r\n" +
			"Set-Cookie: sessions=x; Expires=Fri, 31 Dec 9999 23:30:00 GMT\r\n",
		"from 1970 to 9999": "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n" +
			"Set-Cookie: sessions=x; Expires=Fri, 31 Dec 9999 23:30:00 GMT\r\n",
		"from 9999 to 1970": "Date: Fri, 31 Dec 9999 23:00:00 GMT\r\n" +
			"Set-Cookie: sessions=x; Expires=Thu, 01 Jan 1970 00:30:00 GMT\r\n",
		"by a clock without hands": "Date: now\r\nSet-Cookie: sessions=x; Max-Age=60\r\n",
	} {
		faults = append(faults, fault{name: "a cookie " + name, answer: jsonHead + headers + closing + "BODY", want: fine})
	}
	return faults
}

// waitFaults are hostile Retry-After headers. The client may retry where it is asked to wait for longer than its
// timeout, and does not.
func waitFaults() []fault {
	var faults []fault
	for _, status := range []int{429, 503} {
		for value, retries := range map[string]int{
			"-1": 0, "99999": 2, "4294967295": 2, "99999999999999999999": 2, "1e9": 0, "0x10": 0, "NaN": 0, "soon": 0, "\t": 0,
			"10, 20": 0, "Fri, 31 Dec 9999 23:59:59 GMT": 2, "Thu, 01 Jan 1970 00:00:00 GMT": 0, "Foo, 99 Bar 0000": 0, "ECHO": 0,
		} {
			faults = append(faults, fault{
				name:   fmt.Sprintf("%d, retry after %q", status, value),
				answer: fmt.Sprintf("HTTP/1.1 %d X\r\nRetry-After: %s\r\n%s", status, value, closing),
				want:   answered(status), retries: retries,
			})
		}
	}
	return faults
}

// redirectFaults are redirects of every kind. Who follows one sends a second request, which is an error of the test.
func redirectFaults() []fault {
	var faults []fault
	for _, status := range []int{300, 301, 302, 303, 304, 305, 306, 307, 308, 310, 399} {
		for _, location := range []string{
			"", "/elsewhere", "elsewhere", "//example.com/x", "https://example.com/?ECHO", "http://[::1]:namedport/", "%zz",
			"javascript:alert(1)", "https://user:ECHO@example.com/", "\t",
		} {
			faults = append(faults, fault{
				name:   fmt.Sprintf("%d to %q", status, location),
				answer: fmt.Sprintf("HTTP/1.1 %d X\r\nLocation: %s\r\n%s", status, location, closing),
				want:   answered(status),
			})
		}
	}
	return faults
}

// statusFaults are statuses, documented for the operation or not, with bodies of every shape.
func statusFaults() []fault {
	shapes := map[string]string{
		"nothing":        closing,
		"an error":       "Content-Type: application/json\r\n" + closing + `{"code":"c","message":"m ECHO","details":"d","service":"s"}`,
		"a nested error": "Content-Type: application/json\r\n" + closing + `{"error":{"code":"c","message":"m ECHO"}}`,
		"a text":         "Content-Type: application/json\r\n" + closing + `{"error":"ECHO"}`,
		"other types":    "Content-Type: application/json\r\n" + closing + `{"code":42,"message":["ECHO"],"details":null,"error":7}`,
		"an array":       "Content-Type: application/json\r\n" + closing + `["ECHO"]`,
		"null":           "Content-Type: application/json\r\n" + closing + `null`,
		"half an error":  "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n" + `{"code":"ECHO`,
		"headers":        "Code: c\r\nMessage: ECHO\r\nDetails: d\r\nService: s\r\n" + closing,
		"a page":         "Content-Type: text/html\r\n" + closing + "<html><body>ECHO</body></html>",
		"bad UTF-8":      "Content-Type: application/json\r\n" + closing + "{\"message\":\"\xff\xfe ECHO\"}",
		"depth":          "Content-Type: application/json\r\n" + closing + `{"error":` + strings.Repeat("[", 20000) + "}",
		"a megabyte":     "Content-Type: application/json\r\n" + closing + `{"message":"` + strings.Repeat("x", 1<<20) + `"}`,
		"a wrong type":   "Content-Type: ;;ECHO\r\n" + closing + "{}",
	}
	var faults []fault
	for _, status := range []int{
		200, 201, 202, 203, 204, 205, 206, 208, 226, 299,
		400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 425,
		426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 507, 511, 520, 526, 599, 600, 777, 999,
	} {
		for shape, rest := range shapes {
			faults = append(faults, fault{
				name:   fmt.Sprintf("%d with %s", status, shape),
				answer: fmt.Sprintf("HTTP/1.1 %d X\r\n%s", status, rest), want: answered(status),
			})
		}
	}
	return faults
}

// contextFaults end the context of the call at every point.
func contextFaults() []fault {
	type hook = func(t *testing.T, transport *http.Transport, cancel context.CancelFunc) http.RoundTripper
	server := func(answer string) hook { // ends the context when it has written so much of an answer
		return func(t *testing.T, transport *http.Transport, cancel context.CancelFunc) http.RoundTripper {
			t.Helper()
			transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				go func() {
					defer func() { _ = theirs.Close() }()
					if _, err := http.ReadRequest(bufio.NewReader(theirs)); err == nil {
						_, _ = io.WriteString(theirs, answer)
						cancel()
						hang(theirs)
					}
				}()
				return ours, nil
			}
			return transport
		}
	}
	return []fault{
		{name: "ended before the call", want: lost(context.Canceled), client: func(
			t *testing.T, _ *http.Transport, cancel context.CancelFunc,
		) http.RoundTripper {
			t.Helper()
			cancel()
			return roundTripper(func(req *http.Request) (*http.Response, error) { return nil, req.Context().Err() })
		}},
		{name: "ended while dialing", want: lost(context.Canceled), client: func(
			_ *testing.T, transport *http.Transport, cancel context.CancelFunc,
		) http.RoundTripper {
			transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				cancel()
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return transport
		}},
		{name: "ended in the handshake", want: lost(context.Canceled), tls: true, instead: hang, client: func(
			_ *testing.T, transport *http.Transport, cancel context.CancelFunc,
		) http.RoundTripper {
			transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				defer cancel()
				return new(net.Dialer).DialContext(ctx, network, addr)
			}
			return transport
		}},
		{name: "ended before an answer", want: lost(context.Canceled), client: server("")},
		{name: "ended in the headers", want: lost(context.Canceled), client: server("HTTP/1.1 200 OK\r\nContent-Ty")},
		{name: "ended in the body", then: hang, answer: jsonHead + "Content-Length: 1000\r\n\r\n{", want: broken(context.Canceled), client: func(
			_ *testing.T, transport *http.Transport, cancel context.CancelFunc,
		) http.RoundTripper {
			return roundTripper(func(req *http.Request) (*http.Response, error) {
				resp, err := transport.RoundTrip(req)
				if err == nil {
					resp.Body = &hookedBody{resp.Body, cancel}
				}
				return resp, err
			})
		}},
		{name: "its deadline is past", timeout: time.Nanosecond, want: lost(context.DeadlineExceeded)},
	}
}

// hookedBody calls a func before it is read.
type hookedBody struct {
	io.ReadCloser

	hook func()
}

func (b *hookedBody) Read(p []byte) (int, error) {
	b.hook()
	return b.ReadCloser.Read(p)
}

// TestFaults plays every fault with each operation and an authenticated request.
func TestFaults(t *testing.T) {
	t.Parallel()
	faults := slices.Concat(connectionFaults(), headFaults(), bodyFaults(), cookieFaults(), waitFaults(), redirectFaults(),
		statusFaults(), contextFaults())
	var passed atomic.Int64
	var running sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range faults {
		f := &faults[i]
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			server := f.listen(t)
			defer server.stop()
			for _, op := range slices.Sorted(maps.Keys(documentedSuccess)) {
				problems := f.play(t, op, server)
				if len(problems) == 0 {
					passed.Add(1)
				}
				for _, problem := range problems {
					t.Errorf("%s, %s: %s", f.name, op, problem)
				}
			}
			if left := leftBehind(f.name); left != "" {
				t.Errorf("%s: goroutines are left behind:\n%s", f.name, left)
			}
		})
	}
	running.Wait()
	t.Logf("faults: %d of %d cases passed (%d faults, with each of %d calls)", passed.Load(),
		len(faults)*len(documentedSuccess), len(faults), len(documentedSuccess))
}

// play has an operation meet the fault, and says what is not as it should be.
func (f *fault) play(t *testing.T, op string, server *faultyServer) (problems []string) {
	t.Helper()
	pprof.Do(t.Context(), pprof.Labels("fault", f.name), func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		if f.tls {
			transport.TLSClientConfig = &tls.Config{RootCAs: server.roots, MinVersion: tls.VersionTLS12}
		}
		caller := &http.Client{Transport: transport}
		if f.client != nil {
			caller.Transport = f.client(t, transport, cancel)
		}
		timeout := cmp.Or(f.timeout, time.Minute)
		client := newClient(t, kalshiauth.WithBaseURL(server.url), kalshiauth.WithHTTPClient(caller),
			kalshiauth.WithTimeout(timeout), kalshiauth.WithRetries(f.retries))
		status, err := callOf(ctx, op, client, timeout)
		if problem := f.want(op).problem(status, err); problem != "" {
			problems = append(problems, fmt.Sprintf("%s; the error is %v", problem, err))
		}
		if err != nil { // with one verb of each kind, since there are thousands of cases
			for _, text := range shown(err, "vsqxd", secretsOf[op]) {
				problems = append(problems, "the error shows a secret as "+text)
			}
		}
	})
	if n := server.requests[op].Load(); n > 1 {
		problems = append(problems, fmt.Sprintf("the server got %d requests", n))
	}
	return problems
}

// callOf calls an operation, or sends an authenticated request, and returns the status of what came back, if any.
func callOf(ctx context.Context, op string, client *kalshiauth.Client, timeout time.Duration) (status int, err error) {
	session := kalshiauth.SessionFromToken(userID, token)
	switch op {
	case "Login":
		var s *kalshiauth.Session
		if s, err = client.Login(ctx, credentials); err == nil {
			err = sane(s)
		}
	case "Logout":
		err = client.Logout(ctx, session)
	case "ResetPassword":
		err = client.ResetPassword(ctx, email)
	case "ResetPasswordConfirm":
		err = client.ResetPasswordConfirm(ctx, confirmation)
	case request:
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, client.BaseURL()+"/portfolio/balance", nil)
		if err != nil {
			return 0, err
		}
		// Not by http.Client, which has its own mind about redirects.
		resp, err := client.Transport(kalshiauth.StaticSource(session)).RoundTrip(req)
		if err != nil {
			return 0, err
		}
		_ = resp.Body.Close()
		return resp.StatusCode, nil
	}
	var answer *kalshiauth.Error
	switch {
	case err == nil:
		return documentedSuccess[op], nil
	case errors.As(err, &answer):
		if answer.Op != op || answer.RetryAfter < 0 {
			return 0, fmt.Errorf("the answer is of %s, to be repeated after %v: %w", answer.Op, answer.RetryAfter, err)
		}
		return answer.StatusCode, err
	case !strings.HasPrefix(err.Error(), "kalshiauth: "+op+": "):
		return 0, fmt.Errorf("the error does not name the operation: %w", err)
	}
	return 0, err
}

// sane tells what is wrong with the session of a login.
func sane(s *kalshiauth.Session) error {
	year := 400 * 24 * time.Hour
	switch {
	case s.UserID == "" || s.Token() == "" || s.Cookie() == nil || s.Cookie().Valid() != nil:
		return errors.New("the session is none")
	case !s.Expiry.IsZero() && (!s.Valid() || time.Until(s.Expiry) > year):
		return fmt.Errorf("the session ends at %v", s.Expiry)
	}
	return nil
}

// problem says what is wrong with what a call returned.
func (o outcome) problem(status int, err error) string {
	switch {
	case o.ok != (err == nil):
		return fmt.Sprintf("success: %v, want %v", err == nil, o.ok)
	case status != o.status:
		return fmt.Sprintf("the status is %d, want %d", status, o.status)
	case o.as != nil && !o.as(err):
		return "the error does not have its cause"
	}
	for _, target := range slices.Concat(o.is, slices.Collect(maps.Values(sentinels))) {
		if want := slices.Contains(o.is, target); err != nil && errors.Is(err, target) != want {
			return fmt.Sprintf("errors.Is(err, %v) = %v, want %v", target, !want, want)
		}
	}
	return ""
}

// A faultyServer is a server with one fault.
type faultyServer struct {
	url      string
	requests map[string]*atomic.Int64 // how many it has read, by operation
	roots    *x509.CertPool
	stop     func() // ends it, and waits until every connection is closed
}

// listen starts a server that does as the fault says.
func (f *fault) listen(t *testing.T) *faultyServer {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &faultyServer{url: "http://" + listener.Addr().String(), requests: map[string]*atomic.Int64{}}
	for op := range documentedSuccess {
		server.requests[op] = new(atomic.Int64)
	}
	certificate := testCertificate()
	if f.tls {
		server.url = "https://" + listener.Addr().String()
		server.roots = x509.NewCertPool()
		server.roots.AddCert(certificate.Leaf)
	}
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Go(func() {
				defer func() { _ = conn.Close() }()
				f.serve(conn, certificate, server.requests)
			})
		}
	})
	server.stop = func() {
		_ = listener.Close()
		connections.Wait()
	}
	return server
}

func (f *fault) serve(conn net.Conn, certificate *tls.Certificate, requests map[string]*atomic.Int64) {
	if f.instead != nil {
		f.instead(conn)
		return
	}
	if f.tls {
		conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12})
	}
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	op := operationOf(req.URL.Path)
	if req.Method != http.MethodConnect { // which is of no operation
		requests[op].Add(1)
	}
	_, _ = io.Copy(io.Discard, req.Body)
	status := documentedSuccess[op]
	answer := strings.NewReplacer("SUCCESS", strconv.Itoa(status)+" "+http.StatusText(status), "BODY", loginBody,
		"ECHO", password+token+code+newPassword).Replace(f.answer)
	if status == http.StatusNoContent { // what follows the head would be an answer to nobody
		last := max(strings.LastIndex(answer, "HTTP/"), 0)
		if head, _, whole := strings.Cut(answer[last:], "\r\n\r\n"); whole {
			answer = answer[:last] + head + "\r\n\r\n"
		}
	}
	_, _ = io.WriteString(conn, answer)
	if f.then != nil {
		f.then(conn)
	}
}

// operationOf tells which operation has a path.
func operationOf(path string) string {
	switch {
	case path == "/log_in":
		return "Login"
	case path == "/log_out":
		return "Logout"
	case path == "/passwords/reset":
		return "ResetPassword"
	case strings.HasSuffix(path, "/confirm"):
		return "ResetPasswordConfirm"
	}
	return request
}

// testCertificate is that of net/http/httptest.
var testCertificate = sync.OnceValue(func() *tls.Certificate {
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	certificate := srv.TLS.Certificates[0]
	certificate.Leaf = srv.Certificate()
	return &certificate
})

// leftBehind returns the stacks of goroutines that were started below a label, once they have had the time to end.
func leftBehind(label string) string {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	var left string
	for range 5000 {
		var profile bytes.Buffer
		_ = pprof.Lookup("goroutine").WriteTo(&profile, 1)
		left = ""
		for stack := range strings.SplitSeq(profile.String(), "\n\n") {
			if strings.Contains(stack, strconv.Quote(label)) {
				left += stack + "\n\n"
			}
		}
		if left == "" {
			return ""
		}
		<-ticker.C
	}
	return left
}

// endlessAnswers are heads, with a body without end to follow, by operation.
func endlessAnswers(op string) []string {
	status := strconv.Itoa(documentedSuccess[op]) + " " + http.StatusText(documentedSuccess[op])
	return []string{
		"HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\n\r\n",
		"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n\r\n",
		"HTTP/1.1 302 Found\r\n\r\n",
	}
}

func TestAnEndlessBodyTakesLittleMemory(t *testing.T) { //nolint:paralleltest // measures what all take together
	for _, op := range slices.Sorted(maps.Keys(documentedSuccess)) {
		for _, answer := range endlessAnswers(op) {
			f := &fault{name: op + " " + answer, answer: answer, then: endlessly(" ")}
			server := f.listen(t)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f.meet(t, op, server)
			runtime.ReadMemStats(&after)
			if taken := after.TotalAlloc - before.TotalAlloc; taken >= 1<<20 { // more than the heap can have grown by
				t.Errorf("%s: %d KiB were allocated", f.name, taken>>10)
			}
			server.stop()
		}
	}
}

func TestAThousandEndlessBodiesAtOnceTakeBoundedMemory(t *testing.T) { //nolint:paralleltest // as above
	const calls, limit = 1000, 128 << 20
	much := bytes.Repeat([]byte(" "), 60<<10)
	for _, answer := range endlessAnswers("Login")[:2] {
		var arrived sync.WaitGroup
		arrived.Add(calls)
		f := &fault{name: "a thousand of " + answer, answer: answer, then: func(conn net.Conn) {
			_, _ = conn.Write(much)
			arrived.Done()
			arrived.Wait() // until every call has as much as it can have without an end
			endlessly(" ")(conn)
		}}
		server := f.listen(t)
		runtime.GC()
		before := heap()
		var peak atomic.Uint64
		done := make(chan struct{})
		var watching, calling sync.WaitGroup
		watching.Go(func() {
			ticker := time.NewTicker(time.Millisecond)
			defer ticker.Stop()
			for {
				peak.Store(max(peak.Load(), heap()))
				select {
				case <-ticker.C:
				case <-done:
					return
				}
			}
		})
		for range calls {
			calling.Go(func() { f.meet(t, "Login", server) })
		}
		calling.Wait()
		close(done)
		watching.Wait()
		if left := leftBehind(f.name); left != "" {
			t.Errorf("goroutines are left behind:\n%s", left)
		}
		server.stop() // every connection is closed
		if grown := peak.Load() - before; grown >= limit {
			t.Errorf("the heap grew by %d MiB, want less than %d MiB", grown>>20, limit>>20)
		} else {
			t.Logf("endless bodies: 1000 at once grew the heap by %d MiB, limit %d MiB", grown>>20, limit>>20)
		}
	}
}

// meet has an operation meet the fault, with a connection of its own, and gives what comes of it away.
func (f *fault) meet(t *testing.T, op string, server *faultyServer) {
	t.Helper()
	pprof.Do(t.Context(), pprof.Labels("fault", f.name), func(ctx context.Context) {
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		client := newClient(t, kalshiauth.WithBaseURL(server.url), kalshiauth.WithRetries(0),
			kalshiauth.WithHTTPClient(&http.Client{Transport: transport}))
		if _, err := callOf(ctx, op, client, time.Minute); errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", op, err)
		}
	})
}

// heap is how many bytes the objects on the heap take.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
