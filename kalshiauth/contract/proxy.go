package contract

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
)

// maxIdle is how many idle connections to its upstream a proxy keeps.
const maxIdle = 256

// Proxy returns a reverse proxy that passes requests on to upstream and checks them, for programs of any language. The
// path of a request is appended to the path of upstream, unless it begins with that path. Bodies stream, and upgraded
// connections, such as WebSockets, pass through. If upstream cannot be reached, the answer is a 502 in plain text,
// which is not a violation. [Checker.Report] counts such requests.
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
			r.Out.URL.RawQuery = r.In.URL.RawQuery // ReverseProxy removes what it cannot parse
			r.Out.Trailer = r.In.Trailer           // which net/http fills at the end of the body
			r.SetXForwarded()
			path := r.In.URL.EscapedPath()
			if path == prefix || strings.HasPrefix(path, prefix+"/") {
				r.SetURL(&origin)
			} else {
				r.SetURL(&target)
			}
		},
		ModifyResponse: func(resp *http.Response) error {
			if len(resp.Trailer) > 0 {
				resp.Header.Del("Content-Length") // with it, HTTP/1 has no trailers
			}
			return nil
		},
		Transport:     c.at(&target).Transport(base),
		FlushInterval: -1,
		BufferPool:    &buffers{},
		ErrorLog:      slog.NewLogLogger(slog.DiscardHandler, 0), // its lines have URLs, which may contain a code
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			http.Error(w, "kalshiauth contract proxy: the upstream server did not answer", http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 0 && r.ContentLength <= maxBody {
			// net/http closes the body with the first part of the response, even if the end of it is still to be sent.
			data, err := io.ReadAll(r.Body)
			if err != nil {
				return // the client is gone
			}
			r = r.WithContext(r.Context())
			r.Body = io.NopCloser(bytes.NewReader(data))
		}
		proxy.ServeHTTP(w, r)
	})
}

// buffers are those with which a proxy copies bodies.
type buffers struct{ pool sync.Pool }

const bufferSize = 32 << 10

func (b *buffers) Get() []byte {
	if buffer, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return buffer[:]
	}
	return make([]byte, bufferSize)
}

func (b *buffers) Put(buffer []byte) { b.pool.Put((*[bufferSize]byte)(buffer)) }

// at returns a Checker of requests to upstream, with the same report.
func (c *Checker) at(upstream *url.URL) *Checker {
	above := baseURL{upstream, upstream.EscapedPath()}
	if _, ok := above.below(c.rules.base.Scheme, c.rules.base.Host, c.rules.base.URL); ok {
		return c
	}
	rules := *c.rules
	rules.base = above
	return &Checker{&rules, c.undocumented, c.sink}
}
