package robustness_test

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
)

// A fault is one way in which a server, or the way to it, fails.
type fault struct {
	name string
	// answer is what the server writes once it has read a request. SUCCESS stands for the operation's documented status,
	// BODY for its documented body, MORE for that body with a field more, ZIP for the body in gzip (HALFZIP: the first
	// half, WRONGZIP: with a wrong sum), and ECHO for all secrets there are.
	answer string
	then   func(conn net.Conn) // what it does next; nil: it closes the connection
	// instead replaces all that: it has the connection before a request is read.
	instead func(conn net.Conn)
	// client changes how the client gets to the server. cancel ends the context of the call.
	client  func(t *testing.T, transport *http.Transport, cancel context.CancelFunc) http.RoundTripper
	tls     bool          // the server speaks TLS
	timeout time.Duration // of the call; 0: it does not matter
	// ofContext means that the context ends. A Source does not let it end a log-in, which belongs to all of its callers.
	ofContext bool
	retries   int // how many the client may make; the server takes one request in any case
	want      func(op *robustness.Operation) outcome
}

// An outcome is what a call comes to.
type outcome struct {
	ok     bool             // there is no error
	status int              // of the answer; 0: there is none
	is     []error          // what errors.Is finds
	as     func(error) bool // what else is true of the error; nil: nothing
}

// lost is a call without an answer.
func lost(causes ...error) func(*robustness.Operation) outcome {
	return func(*robustness.Operation) outcome { return outcome{is: causes} }
}

// lostBy is a call that ends without an answer, by an error of the type T.
func lostBy[T error]() func(*robustness.Operation) outcome {
	return func(*robustness.Operation) outcome {
		return outcome{as: func(err error) bool {
			var cause T
			return errors.As(err, &cause)
		}}
	}
}

// lostWith is a call without an answer whose error has a text that only its cause has.
func lostWith(text string) func(*robustness.Operation) outcome {
	return func(*robustness.Operation) outcome {
		return outcome{as: func(err error) bool { return strings.Contains(err.Error(), text) }}
	}
}

// lostWithEcho is lostWith for a text that repeats the secrets of all operations.
func lostWithEcho(text string) func(*robustness.Operation) outcome {
	return func(op *robustness.Operation) outcome {
		if len(op.Secrets) > 0 {
			return lostWith(mask)(op)
		}
		return lostWith(text)(op)
	}
}

// answered is a call whose answer has a status, and says nothing about it.
func answered(status int) func(*robustness.Operation) outcome { return answeredWith(status, "", false) }

// answeredWith is a call whose answer has a status and a JSON body. explained tells whether it has one of the four fields
// of an error.
func answeredWith(status int, body string, explained bool) func(*robustness.Operation) outcome {
	return func(op *robustness.Operation) outcome {
		if op.Success == status && (op.Answer == "" || fits(op, body)) || op.ID == requestID {
			return outcome{ok: true, status: status}
		}
		o := outcome{status: status, is: sentinelsOf(status)}
		if status >= 400 && !explained {
			o.is = append(o.is, kalshiauth.ErrUnexpectedResponse)
		}
		return o
	}
}

// broken is the documented success with a body that is none. Only operations with an answer read it.
func broken(causes ...error) func(*robustness.Operation) outcome {
	return func(op *robustness.Operation) outcome {
		o := answered(op.Success)(op)
		o.is = append(o.is, causes...)
		return o
	}
}

// successWith is the documented success with this JSON.
func successWith(body string) func(*robustness.Operation) outcome {
	return func(op *robustness.Operation) outcome { return answeredWith(op.Success, body, false)(op) }
}

// fine is a call that the fault does not concern.
func fine(op *robustness.Operation) outcome { return outcome{ok: true, status: op.Success} }

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
		{name: "an expired certificate", tls: true, answer: jsonHead + closing + "BODY", client: trusting(func(c *tls.Config) {
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
		{name: "a header with DEL", answer: jsonHead + "X: \x7fECHO\r\n" + closing, want: lostWithEcho("malformed MIME header")},
		{name: "a header with a NUL", answer: jsonHead + "X: \x00ECHO\r\n" + closing, want: lostWithEcho("malformed MIME header")},
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
		{name: "gzip that is cut", answer: jsonHead + zipped + closing + "HALFZIP", want: broken(io.ErrUnexpectedEOF)},
		{name: "gzip with a wrong sum", answer: jsonHead + zipped + closing + "WRONGZIP", want: broken(gzip.ErrChecksum)},
		{name: "gzip of gigabytes", answer: jsonHead + zipped + closing + zip(strings.Repeat(" ", 64<<20)), want: broken()},
		{name: "gzip of nothing", answer: jsonHead + zipped + closing + zip(""), want: broken()},
		{name: "gzip without end", answer: jsonHead + zipped + closing + string([]byte(zip(""))[:10]), then: endlessly("\x00\x00\x00\xff\xff"), timeout: time.Second, want: broken()},
		{name: "an encoding nobody asked for", answer: jsonHead + "Content-Encoding: br\r\n" + closing + "\x8b\x02\x80", want: broken()},
		{name: "gzip, well", answer: jsonHead + zipped + closing + "ZIP", want: fine},
		{name: "no content type", answer: "HTTP/1.1 SUCCESS\r\n" + closing + "BODY", want: broken()},
		{name: "two content types", answer: jsonHead + "Content-Type: text/html\r\n" + closing + "BODY", want: fine},
		{name: "a page", answer: "HTTP/1.1 SUCCESS\r\nContent-Type: text/html\r\n" + closing + "<html>ECHO</html>", want: broken()},
		{name: "UTF-16", answer: jsonHead + closing + "\xff\xfe{\x00}\x00", want: broken()},
		{name: "a mark before the JSON", answer: jsonHead + closing + "\xef\xbb\xbfBODY", want: broken()},
		{name: "two documents", answer: jsonHead + closing + "BODY;BODY", want: broken()},
		{name: "an array", answer: jsonHead + closing + "[BODY]", want: broken()},
		{name: "null", answer: jsonHead + closing + "null", want: broken()},
		{name: "other types", answer: jsonHead + closing + `{"user_id":42,"token":["ECHO"],"access_level":{}}`, want: successWith(`{"user_id":42,"token":["ECHO"],"access_level":{}}`)},
		{name: "no user", answer: jsonHead + closing + `{"token":"` + token + `"}`, want: successWith(`{"token":"` + token + `"}`)},
		{name: "no token and no cookie", answer: jsonHead + closing + `{"user_id":"` + userID + `"}`, want: successWith(`{"user_id":"` + userID + `"}`)},
		{name: "a token that no cookie can carry", answer: jsonHead + closing + `{"user_id":"` + userID + `","token":"a;b\r\nX: y"}`, want: successWith(`{"user_id":"` + userID + `","token":"a;b\r\nX: y"}`)},
		{name: "more than is documented", answer: jsonHead + closing + "MORE", want: fine},
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
	type shape struct {
		head, body string
		explained  bool // it has one of the four fields
	}
	const isJSON = "Content-Type: application/json\r\n" + closing
	shapes := map[string]shape{
		"nothing":        {closing, "", false},
		"an error":       {isJSON, `{"code":"c","message":"m ECHO","details":"d","service":"s"}`, true},
		"a nested error": {isJSON, `{"error":{"code":"c","message":"m ECHO"}}`, true},
		"a text":         {isJSON, `{"error":"ECHO"}`, true},
		"other types":    {isJSON, `{"code":42,"message":["ECHO"],"details":null,"error":7}`, true},
		"an array":       {isJSON, `["ECHO"]`, false},
		"null":           {isJSON, `null`, false},
		"half an error":  {"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n", `{"code":"ECHO`, false},
		"headers":        {"Code: c\r\nMessage: ECHO\r\nDetails: d\r\nService: s\r\n" + closing, "", true},
		"a page":         {"Content-Type: text/html\r\n" + closing, "<html><body>ECHO</body></html>", false},
		"a line of text": {"Content-Type: text/plain\r\n" + closing, "API has been moved: ECHO", false},
		"bad UTF-8":      {isJSON, "{\"message\":\"\xff\xfe ECHO\"}", true},
		"depth":          {isJSON, `{"error":` + strings.Repeat("[", 20000) + "}", false},
		"a megabyte":     {isJSON, `{"message":"` + strings.Repeat("x", 1<<20) + `"}`, false},
		"a wrong type":   {"Content-Type: ;;ECHO\r\n" + closing, "{}", false},
	}
	var faults []fault
	for _, status := range []int{
		200, 201, 202, 203, 204, 205, 206, 208, 226, 299,
		400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 425,
		426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 507, 511, 520, 526, 599, 600, 777, 999,
	} {
		for name, shape := range shapes {
			fitting := shape.body
			if shape.head != isJSON {
				fitting = "" // whatever it is, it is not read
			}
			faults = append(faults, fault{
				name:   fmt.Sprintf("%d with %s", status, name),
				answer: fmt.Sprintf("HTTP/1.1 %d X\r\n%s%s", status, shape.head, shape.body),
				want:   answeredWith(status, fitting, shape.explained),
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
	faults := []fault{
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
	for i := range faults {
		faults[i].ofContext = true
	}
	return faults
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

// A call is something that meets a fault.
type call struct {
	name string
	op   robustness.Operation
	// do returns the status of what came back, or 0.
	do func(ctx context.Context, client *kalshiauth.Client, timeout time.Duration) (status int, err error)
}

// calls returns a call for each operation, an authenticated request, and a source's log-in.
func calls() (all []call) {
	for _, op := range robustness.Operations() {
		do := func(ctx context.Context, client *kalshiauth.Client) error { return op.Call(ctx, client, op.Input) }
		if op.ID == "Login" { // not by the table, which does not show the session
			do = func(ctx context.Context, client *kalshiauth.Client) error {
				return sane(client.Login(ctx, credentials))
			}
		}
		all = append(all, call{op.ID, op, func(ctx context.Context, client *kalshiauth.Client, _ time.Duration) (int, error) {
			return result(&op, do(ctx, client))
		}})
	}
	login := robustness.Lookup("Login")
	return append(all, call{requestID, authenticatedRequest(), sendRequest}, call{"a source's log-in", login, func(
		ctx context.Context, client *kalshiauth.Client, _ time.Duration,
	) (int, error) {
		source, err := autologin.New(client, autologin.StaticCredentials(credentials))
		if err != nil {
			return 0, err
		}
		return result(&login, sane(source.Session(ctx)))
	}})
}

// result returns the status of what came back of an operation. It is an error of its own where err is not one that an
// operation may return.
func result(op *robustness.Operation, err error) (status int, _ error) {
	var answer *kalshiauth.Error
	switch {
	case err == nil:
		return op.Success, nil
	case errors.As(err, &answer):
		if answer.Op != op.ID || answer.RetryAfter < 0 {
			return 0, fmt.Errorf("the answer is of %s, to be repeated after %v: %w", answer.Op, answer.RetryAfter, err)
		}
		return answer.StatusCode, err
	case !strings.HasPrefix(err.Error(), "kalshiauth: "+op.ID+": "):
		return 0, fmt.Errorf("the error does not name the operation: %w", err)
	}
	return 0, err
}

// sendRequest sends an authenticated request. It does not use http.Client, which may follow redirects.
func sendRequest(ctx context.Context, client *kalshiauth.Client, timeout time.Duration) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, client.BaseURL()+requestPath, nil)
	if err != nil {
		return 0, err
	}
	transport := &autologin.Transport{Client: client, Source: autologin.Static(kalshiauth.SessionFromToken(userID, token))}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	_ = resp.Body.Close()
	return resp.StatusCode, nil
}

// TestFaults has each operation, an authenticated request, and a source's log-in meet every fault.
func TestFaults(t *testing.T) {
	t.Parallel()
	faults := slices.Concat(connectionFaults(), headFaults(), bodyFaults(), cookieFaults(), waitFaults(), redirectFaults(),
		statusFaults(), contextFaults())
	all := calls()
	var passed, cases atomic.Int64
	var running sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range faults {
		f := &faults[i]
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			for i := range all {
				if f.ofContext && all[i].name == "a source's log-in" {
					continue
				}
				cases.Add(1)
				problems := f.meet(t, &all[i])
				if len(problems) == 0 {
					passed.Add(1)
				}
				for _, problem := range problems {
					t.Errorf("%s, %s: %s", f.name, all[i].name, problem)
				}
			}
			assertNothingLeft(t, f.name)
		})
	}
	running.Wait()
	t.Logf("faults: %d of %d cases passed (%d faults, with each of %d calls)", passed.Load(), cases.Load(), len(faults), len(all))
}

// meet has a call meet the fault, and says what is not as it should be.
func (f *fault) meet(t *testing.T, call *call) (problems []string) {
	t.Helper()
	server := f.listen(t, &call.op)
	defer server.stop()
	labeled(t.Context(), f.name, func(ctx context.Context) {
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
		status, err := call.do(ctx, client, timeout)
		if problem := f.want(&call.op).problem(status, err); problem != "" {
			problems = append(problems, fmt.Sprintf("%s; the error is %v", problem, err))
		}
		if err != nil { // with one verb of each kind, since there are thousands of cases
			for _, text := range robustness.Shown(err, "vsqxd", append(call.op.SecretValues(), said(call.op.Answer)...)) {
				problems = append(problems, "the error shows a secret as "+text)
			}
		}
	})
	if n := server.requests.Load(); n > 1 {
		problems = append(problems, fmt.Sprintf("the server got %d requests", n))
	}
	return problems
}

// said returns the texts of a success, such as a token. No error shows them.
func said(answer string) (texts []string) {
	var fields map[string]any
	_ = json.Unmarshal([]byte(cmp.Or(answer, "{}")), &fields)
	for _, value := range fields {
		if text, ok := value.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

// sane returns err, or what is wrong with the session of a log-in.
func sane(s *kalshiauth.Session, err error) error {
	const year = 400 * 24 * time.Hour
	switch {
	case err != nil && s != nil:
		return fmt.Errorf("a session beside the error %w", err)
	case err != nil:
		return err
	case s.UserID == "" || s.Token() == "" || s.Cookie() == nil || s.Cookie().Valid() != nil:
		return errors.New("the session has no user or no secret")
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
	for _, target := range slices.Concat(o.is, slices.Collect(maps.Values(robustness.Sentinels))) {
		if want := slices.Contains(o.is, target); err != nil && errors.Is(err, target) != want {
			return fmt.Sprintf("errors.Is(err, %v) = %v, want %v", target, !want, want)
		}
	}
	return ""
}

// A faultyServer is a server with one fault.
type faultyServer struct {
	url      string
	answer   string
	requests atomic.Int64 // how many it has read
	roots    *x509.CertPool
	stop     func() // ends it, and waits until every connection is closed
}

// listen starts a server that does as the fault says.
func (f *fault) listen(t *testing.T, op *robustness.Operation) *faultyServer {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &faultyServer{url: "http://" + listener.Addr().String(), answer: f.filled(op)}
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
				f.serve(conn, certificate, server)
			})
		}
	})
	server.stop = func() {
		_ = listener.Close()
		connections.Wait()
	}
	return server
}

func (f *fault) serve(conn net.Conn, certificate *tls.Certificate, server *faultyServer) {
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
	if req.Method != http.MethodConnect { // a proxy's
		server.requests.Add(1)
	}
	_, _ = io.Copy(io.Discard, req.Body)
	_, _ = io.WriteString(conn, server.answer)
	if f.then != nil {
		f.then(conn)
	}
}

// testCertificate is that of net/http/httptest.
var testCertificate = sync.OnceValue(func() *tls.Certificate {
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	certificate := srv.TLS.Certificates[0]
	certificate.Leaf = srv.Certificate()
	return &certificate
})

// filled returns the answer with the words in capitals replaced.
func (f *fault) filled(op *robustness.Operation) string {
	body := cmp.Or(op.Answer, loginBody)
	answer := f.answer
	if strings.Contains(answer, "ZIP") {
		zipped := zip(body)
		answer = strings.NewReplacer("HALFZIP", zipped[:len(zipped)/2],
			"WRONGZIP", zipped[:len(zipped)-8]+"\x00\x00\x00\x00"+zipped[len(zipped)-4:], "ZIP", zipped).Replace(answer)
	} else {
		answer = strings.NewReplacer("BODY", body, "MORE", body[:len(body)-1]+`,"new":{"a":[1,2]}}`,
			"ECHO", strings.Join(allSecrets(), "")).Replace(answer)
	}
	answer = strings.Replace(answer, "SUCCESS", strconv.Itoa(op.Success)+" "+http.StatusText(op.Success), 1)
	// What follows the head of a 204 or 304 would be an answer to nobody.
	last := max(strings.LastIndex(answer, "HTTP/1.1 "), 0)
	if strings.HasPrefix(answer[last:], "HTTP/1.1 204") || strings.HasPrefix(answer[last:], "HTTP/1.1 304") {
		if head, _, whole := strings.Cut(answer[last:], "\r\n\r\n"); whole {
			answer = answer[:last] + head + "\r\n\r\n"
		}
	}
	return answer
}
