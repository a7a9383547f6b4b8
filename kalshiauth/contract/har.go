package contract

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// HAR checks recorded traffic in the HTTP Archive format 1.2, as browsers, Playwright and mitmproxy write it. It returns
// how many exchanges it has checked: those of other servers, and with paths that the document does not have, are not
// among them. A body that the recording lacks is not checked. Chromium leaves out cookies and credentials by default: if
// no entry has any, HAR does not check sessions.
//
// The error says what is not in that format, and in which entry. What was found before it has been reported.
func (c *Checker) HAR(ctx context.Context, r io.Reader) (exchanges int, err error) {
	entries, err := readHAR(ctx, r, func(e *harEntry) bool {
		u, err := url.Parse(e.Request.URL)
		if err != nil {
			return false
		}
		path, ok := c.rules.base.below(u.Scheme, u.Host, u)
		if ok {
			e.exchange = c.begin(&http.Request{
				Method: e.Request.Method, URL: u, Header: e.Request.header(), ContentLength: -1,
			}, path)
		}
		return e.exchange != nil
	})
	sanitized := !slices.ContainsFunc(entries, (*harEntry).hasSecret)
	for _, e := range entries {
		e.check(sanitized)
		exchanges++
	}
	if err != nil {
		return exchanges, fmt.Errorf("contract: HAR: %w", err)
	}
	return exchanges, nil
}

// A harEntry is a recorded exchange.
type harEntry struct {
	Request  harRequest `json:"request"`
	Response struct {
		harHeaders

		Status  int `json:"status"`
		Content struct {
			Text     *string `json:"text"` // nil: not recorded
			Encoding string  `json:"encoding"`
			Size     int     `json:"size"`
		} `json:"content"`
	} `json:"response"`

	exchange *exchange
}

type harRequest struct {
	harHeaders

	Method   string `json:"method"`
	URL      string `json:"url"`
	BodySize *int   `json:"bodySize"`
	PostData *struct {
		Text     *string     `json:"text"`
		Params   []harHeader `json:"params"`
		Encoding string      `json:"encoding"`
	} `json:"postData"`
}

type harHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type harHeaders struct {
	Headers []harHeader `json:"headers"`
}

// header returns the headers without those that the body in the recording does not follow, and HTTP/2's pseudo headers.
func (h harHeaders) header() http.Header {
	header := http.Header{}
	for _, field := range h.Headers {
		if strings.HasPrefix(field.Name, ":") || strings.EqualFold(field.Name, "Content-Encoding") {
			continue
		}
		for value := range strings.SplitSeq(field.Value, "\n") { // browsers join several values
			header.Add(field.Name, value)
		}
	}
	return header
}

// hasSecret reports whether the entry shows a cookie or credentials.
func (e *harEntry) hasSecret() bool {
	request, response := e.exchange.request.Header, e.Response.header()
	for _, scheme := range e.exchange.checker.rules.Schemes {
		if request.Get(scheme.Name) != "" {
			return true
		}
	}
	return request.Get("Cookie") != "" || request.Get("Authorization") != "" || response.Get("Set-Cookie") != ""
}

// check checks the exchange. sanitized tells whether the recording has no sessions.
func (e *harEntry) check(sanitized bool) {
	x := e.exchange
	x.sanitized = sanitized
	data, known := e.Request.body()
	x.requestBody.write(data)
	if known {
		x.requestBody.end()
	}
	if e.Response.Status > 0 { // 0 or -1: there was no response
		content := e.Response.Content
		passed := newCapture(x.op, -1)
		if content.Text != nil {
			passed.write(text(*content.Text, content.Encoding))
			passed.end()
		} else if content.Size <= 0 {
			passed.end()
		}
		x.response = &answer{status: e.Response.Status, header: e.Response.header(), body: passed.body, request: x.request.Header}
	}
	x.end()
}

// body returns the body of a request, and whether it is known.
func (r *harRequest) body() (data []byte, known bool) {
	switch post := r.PostData; {
	case post == nil:
		return nil, r.BodySize == nil || *r.BodySize <= 0
	case post.Text != nil:
		return text(*post.Text, post.Encoding), true
	case len(post.Params) > 0:
		form := url.Values{}
		for _, p := range post.Params {
			form.Add(p.Name, p.Value)
		}
		return []byte(form.Encode()), true
	}
	return nil, false
}

// text returns a recorded body.
func text(recorded, encoding string) []byte {
	if strings.EqualFold(encoding, "base64") {
		if data, err := base64.StdEncoding.DecodeString(recorded); err == nil {
			return data
		}
	}
	return []byte(recorded)
}

// readHAR returns the entries that keep accepts. It reads one entry after the other, since recordings may be long.
func readHAR(ctx context.Context, r io.Reader, keep func(*harEntry) bool) (kept []*harEntry, err error) {
	in := bufio.NewReader(r)
	if mark, err := in.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = in.Discard(len(mark))
	}
	decoder := json.NewDecoder(in)
	if err := descend(decoder, "log"); err != nil {
		return nil, err
	}
	if err := descend(decoder, "entries"); err != nil {
		return nil, err
	}
	if token, err := decoder.Token(); err != nil || token != json.Delim('[') {
		return nil, errNoHAR
	}
	for n := 1; decoder.More(); n++ {
		if ctx.Err() != nil {
			return kept, ctx.Err() //nolint:wrapcheck // HAR wraps it
		}
		e := &harEntry{}
		if err := decoder.Decode(e); err != nil {
			return kept, fmt.Errorf("entry %d is malformed or not complete", n) // err may quote a value
		}
		if e.Request.Method == "" || e.Request.URL == "" {
			return kept, fmt.Errorf("entry %d has no request with a method and a URL", n)
		}
		if keep(e) {
			kept = append(kept, e)
		}
	}
	if _, err := decoder.Token(); err != nil {
		return kept, errors.New("the file is cut after its entries")
	}
	return kept, nil
}

var errNoHAR = errors.New(`not an HTTP archive: JSON with "log" and, in it, a list "entries"`)

// descend reads to the value of a property of the object that comes next.
func descend(decoder *json.Decoder, property string) error {
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return errNoHAR
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return errNoHAR
		}
		if name == property {
			return nil
		}
		var skipped json.RawMessage
		if err := decoder.Decode(&skipped); err != nil {
			return errNoHAR
		}
	}
	return errNoHAR
}
