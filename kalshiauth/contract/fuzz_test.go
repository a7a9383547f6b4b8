package contract_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

func FuzzChecker(f *testing.F) {
	const (
		baseURL = "https://example.com/v1"
		secret  = "Zq7wX2pL" // as the password, the token and the code
		fields  = `{"code":"{secret}","message":"{secret}","details":"{secret}","service":"{secret}"}`
		login   = `{"user_id":"6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e","token":"{secret}","access_level":"trading"}`
	)
	requests := []struct{ method, path, body string }{
		{"POST", "/log_in", `{"email":"a@example.com","password":"` + secret + `"}`},
		{"POST", "/log_in", `{"email":"` + secret + `","password":{"` + secret + `":1}}`},
		{"POST", "/log_out", ""},
		{"POST", "/passwords/reset", `{"email":"a@example.com"}`},
		{"PUT", "/passwords/reset/" + secret + "/confirm", `{"user_id":"` + secret + `","password":"` + secret + `"}`},
		{"GET", "/passwords/reset/" + secret + "/confirm", ""},
		{"GET", "/passwords/" + secret + "/reset?code=" + secret, ""},
	}
	for op := range requests {
		for _, status := range []int{101, 200, 202, 204, 302, 400, 401, 403, 404, 500, 503, -1} {
			f.Add(uint8(op), status, "Content-Type: application/json\nSet-Cookie: sessions={secret}; Path=/", login, int64(-1))
			f.Add(uint8(op), status, "Content-Type: application/json", fields, int64(len(fields)))
			f.Add(uint8(op), status, "Content-Type: text/html; a={secret}\nCode: {secret}", "{secret}", int64(-1))
		}
		for _, body := range []string{
			"", "null", "{", `{"user_id":"{secret}","token":{"{secret}":"{secret}"}}`, `{"error":{"code":["{secret}"]}}`,
			`{"user_id":"{secret}","user_id":1,"{secret}":{}}` + "{secret}", strings.Repeat("[", 20_000),
			`"` + strings.Repeat("{secret}", 10_000) + `"`, fields + "{cut}", `{"code":{"{secret}":1},"message":[],"error":7}`,
		} {
			f.Add(uint8(op), 200, "Content-Type: application/json; charset=utf-8\nContent-Encoding: identity", body, int64(5))
			f.Add(uint8(op), 400, "Content-Type: application/json\nContent-Encoding: {secret}", body, int64(0))
		}
	}
	f.Fuzz(func(t *testing.T, op uint8, status int, header, body string, length int64) {
		t.Parallel()
		body, isCut := strings.CutSuffix(strings.ReplaceAll(body, "{secret}", secret), "{cut}")
		sent := &http.Response{
			StatusCode: status, Header: http.Header{}, ContentLength: length,
			Body: &cutBody{*strings.NewReader(body), isCut, false},
		}
		for line := range strings.SplitSeq(strings.ReplaceAll(header, "{secret}", secret), "\n") {
			name, value, _ := strings.Cut(line, ": ")
			sent.Header[name] = append(sent.Header[name], value) // in any case
		}
		want, source := *sent, sent.Body.(*cutBody)
		want.Header = sent.Header.Clone()

		r := requests[int(op)%len(requests)]
		checker, found := newChecker(t, baseURL)
		req, err := http.NewRequestWithContext(t.Context(), r.method, baseURL+r.path, strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Cookie", "sessions="+secret)
		got, err := checker.Transport(roundTripper(func(req *http.Request) (*http.Response, error) {
			if data, err := io.ReadAll(req.Body); err != nil || string(data) != r.body {
				t.Errorf("the request's body became %q, %v", data, err)
			}
			return sent, nil
		})).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(got.Body)
		if errClose := got.Body.Close(); errClose != nil || !source.closed {
			t.Errorf("closed: %t, %v", source.closed, errClose)
		}
		if got.StatusCode != want.StatusCode || got.ContentLength != want.ContentLength ||
			!maps.EqualFunc(got.Header, want.Header, slices.Equal) {
			t.Errorf("%v passed as %v", want, got)
		}
		if !bytes.Equal(data, []byte(body)) || isCut != errors.Is(err, errCut) || !isCut && err != nil {
			t.Errorf("the body %.100q passed as %.100q, %v", body, data, err)
		}
		for _, v := range found.take() {
			if text := fmt.Sprintf("%s %+v %#v", v, v, v); strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
				t.Errorf("a violation shows a secret: %s", text)
			}
		}
	})
}

var errCut = errors.New("cut")

// cutBody is a body that may end in an error.
type cutBody struct {
	strings.Reader

	isCut, closed bool
}

func (b *cutBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.isCut && errors.Is(err, io.EOF) {
		err = errCut
	}
	return n, err
}

func (b *cutBody) Close() error {
	b.closed = true
	return nil
}

// FuzzHAR has the Checker read files that may be no archives.
func FuzzHAR(f *testing.F) {
	f.Add(har(entry("POST", "/log_in", loginIn, 200, loginOut)))
	f.Add(har(entry("PUT", "/passwords/reset/"+code+"/confirm", "", 0, "")))
	f.Add("\ufeff{}")
	f.Fuzz(func(t *testing.T, text string) {
		found := &violations{}
		checker, err := contract.New("https://example.com/v1", found.report)
		if err != nil {
			t.Fatal(err)
		}
		n, err := checker.HAR(t.Context(), strings.NewReader(text))
		if n < 0 || err != nil && !strings.HasPrefix(err.Error(), "contract: HAR: ") {
			t.Errorf("%d exchanges, %v", n, err)
		}
	})
}
