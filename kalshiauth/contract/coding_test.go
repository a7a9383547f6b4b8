package contract_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// encoders write the content codings.
var encoders = map[string]func(io.Writer) io.WriteCloser{
	"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"x-gzip":  func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	"br":      func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) },
	"zstd": func(w io.Writer) io.WriteCloser {
		e, err := zstd.NewWriter(w)
		if err != nil {
			panic(err)
		}
		return e
	},
	"raw deflate": func(w io.Writer) io.WriteCloser {
		e, err := flate.NewWriter(w, 9)
		if err != nil {
			panic(err)
		}
		return e
	},
}

func encoded(coding, text string) string {
	var b bytes.Buffer
	w := encoders[coding](&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

func TestContentCodingsSwitchNoCheckOff(t *testing.T) {
	t.Parallel()
	const short = `{"email":"` + email + `","password":"x"}`
	noToken := strings.Replace(loginOut, `"token"`, `"tokens"`, 1)
	onBothSides(t, func(t *testing.T, start starter) {
		t.Helper()
		for name := range encoders {
			coding := strings.TrimPrefix(name, "raw ")
			header := "Content-Encoding: " + coding
			for _, c := range []struct {
				what, in, out string
				ask           string
				want          string // in the only violation; "": none
			}{
				{"a good exchange", encoded(name, loginIn), encoded(name, loginOut), coding, ""},
				{"a wildcard", encoded(name, loginIn), encoded(name, loginOut), "*;q=0.5", ""},
				{"a wrong request", encoded(name, short), encoded(name, loginOut), coding, "/password"},
				{"a request that does not decode", encoded(name, loginIn)[:9], encoded(name, loginOut), coding, "Content-Encoding"},
				{"a wrong response", encoded(name, loginIn), encoded(name, noToken), coding, "/token"},
				{"a response that does not decode", encoded(name, loginIn), encoded(name, loginOut)[:30], coding, "Content-Encoding"},
				{"a response that is not coded", encoded(name, loginIn), loginOut, coding, "Content-Encoding"},
				{"a coding that is refused", encoded(name, loginIn), encoded(name, loginOut), coding + ";q=0", "did not ask"},
				{"another coding", encoded(name, loginIn), encoded(name, loginOut), "compress", "did not ask"},
				{"a bomb", encoded(name, loginIn), encoded(name, strings.Repeat(" ", 1<<20)+loginOut), coding, "64 KiB"},
			} {
				base, rt, found := start(canned(200, c.out, jsonType, setToken, header))
				call(t, rt, "POST", base+"/log_in", c.in, jsonType, header, "Accept-Encoding: "+c.ask)
				got := found.take()
				if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0].String(), c.want)) {
					t.Errorf("%s, %s: %v, want %q", name, c.what, got, c.want)
				}
			}
		}
	})
}

func TestSeveralContentCodingsAreDecoded(t *testing.T) {
	t.Parallel()
	onBothSides(t, func(t *testing.T, start starter) {
		t.Helper()
		both := encoded("br", encoded("gzip", loginOut))
		base, rt, found := start(canned(200, both, jsonType, setToken, "Content-Encoding: gzip", "Content-Encoding: br"))
		call(t, rt, "POST", base+"/log_in", loginIn, jsonType, "Accept-Encoding: br, gzip")
		if got := found.take(); len(got) > 0 {
			t.Error(got)
		}
	})
}

func TestBodiesThatNoClientReadsAreViolations(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 5000)
	onBothSides(t, func(t *testing.T, start starter) {
		t.Helper()
		for name, c := range map[string]struct {
			handler http.Handler
			want    string
		}{
			"Latin-1":      {canned(200, strings.Replace(loginOut, "trading", "tr\xe4der", 1), jsonType, setToken), "not UTF-8"},
			"in an error":  {canned(401, "{\"message\":\"F\xfcr\"}", jsonType), "not UTF-8"},
			"a byte order": {canned(200, "\ufeff"+loginOut, jsonType, setToken), "not one JSON value"},
			"a long cookie": {
				canned(200, strings.Replace(loginOut, token, long, 1), jsonType, "Set-Cookie: sessions="+long), "more than 4096 bytes",
			},
			"SameSite=None": {canned(200, loginOut, jsonType, setToken+"; SameSite=None"), "not Secure"},
			"Partitioned":   {canned(200, loginOut, jsonType, setToken+"; Partitioned"), "not Secure"},
		} {
			base, rt, found := start(c.handler)
			call(t, rt, "POST", base+"/log_in", loginIn, jsonType)
			if got := found.take(); len(got) != 1 || !strings.Contains(got[0].Found, c.want) {
				t.Errorf("%s: %v, want %q", name, got, c.want)
			}
		}
		base, rt, found := start(goodLogin)
		call(t, rt, "POST", base+"/log_in", strings.Replace(loginIn, "correct", "c\xf6rrect", 1), jsonType)
		if got := found.take(); len(got) != 1 || !strings.Contains(got[0].Found, "not UTF-8") {
			t.Errorf("the request: %v", got)
		}
	})
}

func TestWhatAHeaderSaysOfACodingCounts(t *testing.T) {
	t.Parallel()
	base, rt, found := sides["Transport"](t, canned(200, encoded("gzip", loginOut), jsonType, setToken, "Content-Encoding: gzip"))
	for ask, good := range map[string]bool{
		"gzip": true, "GZIP": true, "x-gzip": true, "br, gzip;q=0.1": true, "*": true, "*;q=0, gzip": true, "gzip; q=1.0": true,
		"identity": false, "br": false, "*;q=0": false, "gzip;q=0, *": false, "gzip;Q=0": false, "gzip; q=0.000": false,
		"": true, // net/http asks for gzip itself, and decodes it
	} {
		call(t, rt, "POST", base+"/log_in", loginIn, jsonType, "Accept-Encoding: "+ask)
		if got := found.take(); (len(got) == 0) != good {
			t.Errorf("%q: %v", ask, got)
		}
	}
}

// A client may stop to read when it has all that it needs.
func TestACompressedBodyThatIsNotReadToItsEndIsDecoded(t *testing.T) {
	t.Parallel()
	wrong := encoded("gzip", `{"token":""}`)
	for read, want := range map[int]int{0: 0, 5: 0, len(wrong) - 4: 3, len(wrong): 3} { // the last 4 bytes are a length
		checker, found := newChecker(t, "https://example.com")
		rt := checker.Transport(roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: 200, ContentLength: -1, Body: io.NopCloser(strings.NewReader(wrong)),
				Header: http.Header{
					"Content-Type": {"application/json"}, "Set-Cookie": {"sessions=" + token}, "Content-Encoding": {"gzip"},
				},
			}, nil
		}))
		req, err := http.NewRequestWithContext(t.Context(), "POST", "https://example.com/log_in", strings.NewReader(loginIn))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept-Encoding", "gzip")
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadFull(resp.Body, make([]byte, read))
		_ = resp.Body.Close()
		if got := found.take(); len(got) != want {
			t.Errorf("%d bytes read: %v, want %d violations", read, got, want)
		}
	}
}
