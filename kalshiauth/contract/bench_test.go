package contract_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

// BenchmarkTransport compares log-ins over loopback, and in memory, with and without a Checker.
func BenchmarkTransport(b *testing.B) {
	srv := newServer(b)
	memory := roundTripper(func(req *http.Request) (*http.Response, error) {
		_, err := io.Copy(io.Discard, req.Body)
		return &http.Response{
			StatusCode: 200, Body: io.NopCloser(strings.NewReader(loginOut)), ContentLength: int64(len(loginOut)),
			Header: http.Header{"Content-Type": {"application/json"}, "Set-Cookie": {"sessions=" + token}},
		}, err
	})
	checker, err := contract.New(srv.URL, func(v contract.Violation) { b.Error(v) })
	if err != nil {
		b.Fatal(err)
	}
	for _, bm := range []struct {
		name string
		path string
		rt   http.RoundTripper
	}{
		{"loopback/bare", "/log_in", srv.Client().Transport},
		{"loopback/checked", "/log_in", checker.Transport(srv.Client().Transport)},
		{"memory/bare", "/log_in", memory},
		{"memory/checked", "/log_in", checker.Transport(memory)},
		{"memory/undocumented", "/portfolio/balance", checker.Transport(memory)},
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
