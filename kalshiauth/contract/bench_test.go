package contract_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

// BenchmarkTransport measures log-ins with a Checker and without, over loopback and in memory. "elsewhere" are requests
// to another host, and "undocumented" ones to a path that the document does not have. .github/scripts/checker-bench.sh
// runs it with an earlier version of the package, too.
func BenchmarkTransport(b *testing.B) {
	srv := newServer(b)
	memory := roundTripper(func(req *http.Request) (*http.Response, error) {
		_, err := io.Copy(io.Discard, req.Body)
		return &http.Response{
			StatusCode: 200, Body: io.NopCloser(strings.NewReader(loginOut)), ContentLength: int64(len(loginOut)),
			Header: http.Header{"Content-Type": {"application/json"}, "Set-Cookie": {"sessions=" + token}},
		}, err
	})
	loopback := srv.Client().Transport
	checked := func(baseURL string, base http.RoundTripper) http.RoundTripper {
		checker, err := contract.New(baseURL, func(v contract.Violation) {
			if v.Operation != "" { // earlier versions report undocumented paths
				b.Error(v)
			}
		})
		if err != nil {
			b.Fatal(err)
		}
		return checker.Transport(base)
	}
	for _, bm := range []struct {
		name, path string
		rt         http.RoundTripper
	}{
		{"loopback/bare", "/log_in", loopback},
		{"loopback/checked", "/log_in", checked(srv.URL, loopback)},
		{"loopback/elsewhere", "/log_in", checked("https://example.com", loopback)},
		{"memory/bare", "/log_in", memory},
		{"memory/checked", "/log_in", checked(srv.URL, memory)},
		{"memory/elsewhere", "/log_in", checked("https://example.com", memory)},
		{"memory/undocumented", "/undocumented", checked(srv.URL, memory)},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				req, err := http.NewRequestWithContext(b.Context(), "POST", srv.URL+bm.path, strings.NewReader(loginIn))
				if err != nil {
					b.Fatal(err)
				}
				req.Header.Set("Content-Type", "application/json")
				resp, err := bm.rt.RoundTrip(req)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
}
