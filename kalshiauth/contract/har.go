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

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// HAR checks recorded traffic in the HTTP Archive format 1.2, as browsers, Playwright and mitmproxy write it. It
// returns how many exchanges it has checked: those of other servers, and with paths that the document does not have,
// are not among them. It reads one entry after the other, so the recording can be large.
//
// HAR does not check what the recording lacks: bodies that were not recorded, and responses that did not come. Chromium
// leaves out cookies and credentials by default: if no entry of the whole recording has any, HAR does not check
// sessions. Recordings have texts after decoding, so it does not check that these are UTF-8.
//
// The error says what is not in that format, and in which entry. What was found before it has been reported.
func (c *Checker) HAR(ctx context.Context, r io.Reader) (exchanges int, err error) {
	a := &archive{checker: c}
	err = readHAR(ctx, r, a.add)
	a.end()
	if err != nil {
		return a.exchanges, fmt.Errorf("contract: HAR: %w", err)
	}
	return a.exchanges, nil
}

// An archive is a recording that is being checked.
type archive struct {
	checker   *Checker
	exchanges int
	sessions  bool         // whether an entry so far has a cookie or credentials
	held      []harVerdict // those that depend on sessions, as long as it is false
}

// A harVerdict is what is wrong with an exchange.
type harVerdict struct {
	op     *document.Operation
	status int
	found  []Violation
}

// add checks an entry.
func (a *archive) add(e *harEntry) {
	if !a.sessions && e.hasSecret(a.checker.rules) {
		a.sessions = true
		a.report()
	}
	u, err := url.Parse(e.Request.URL)
	if err != nil {
		return
	}
	path, ok := a.checker.rules.base.below(u.Scheme, u.Host, u)
	if !ok {
		return
	}
	req := &http.Request{Method: e.Request.Method, URL: u, Header: e.Request.header(), ContentLength: -1}
	x := a.checker.begin(req, path)
	if x == nil {
		return
	}
	e.fill(x)
	a.exchanges++
	v := harVerdict{x.op, x.status(), x.violations()}
	if !a.sessions && slices.ContainsFunc(v.found, v.isOfSession) {
		a.held = append(a.held, v)
		return
	}
	a.checker.add(v.op, v.status, v.found)
}

// report reports what was held.
func (a *archive) report() {
	for _, v := range a.held {
		a.checker.add(v.op, v.status, v.found)
	}
	a.held = nil
}

// end reports what was held, except for what is about sessions: the recording has none.
func (a *archive) end() {
	for i := range a.held {
		a.held[i].found = slices.DeleteFunc(a.held[i].found, a.held[i].isOfSession)
	}
	a.report()
}

// isOfSession reports whether a violation would not be there if the recording had cookies and credentials.
func (v *harVerdict) isOfSession(found Violation) bool { //nolint:gocritic // for package slices
	if found.Place == "Set-Cookie" || v.op == nil {
		return found.Place == "Set-Cookie"
	}
	return found.Rule == v.op.Pointer+"/security" || slices.ContainsFunc(v.op.Inputs(), func(in *document.Input) bool {
		return in.In == openapi3.ParameterInCookie && in.Name == found.Place
	})
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
		} `json:"content"`
	} `json:"response"`
}

type harRequest struct {
	harHeaders

	Method   string `json:"method"`
	URL      string `json:"url"`
	BodySize *int   `json:"bodySize"` // nil and -1: not known
	PostData *struct {
		MimeType string      `json:"mimeType"`
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

func (h harHeaders) header() http.Header {
	header := http.Header{}
	for _, field := range h.Headers {
		for value := range strings.SplitSeq(field.Value, "\n") { // browsers join several values
			header.Add(field.Name, strings.TrimSpace(value))
		}
	}
	return header
}

// header returns the headers. Some recordings have only the content type of the body.
func (r *harRequest) header() http.Header {
	header := r.harHeaders.header()
	if r.PostData != nil && r.PostData.MimeType != "" && header.Get("Content-Type") == "" {
		header.Set("Content-Type", r.PostData.MimeType)
	}
	return header
}

// hasSecret reports whether the entry has a cookie or credentials.
func (e *harEntry) hasSecret(r *rules) bool {
	return slices.ContainsFunc(slices.Concat(e.Request.Headers, e.Response.Headers), func(h harHeader) bool {
		name := http.CanonicalHeaderKey(h.Name)
		return name == "Cookie" || name == "Set-Cookie" || name == "Authorization" ||
			slices.ContainsFunc(r.Schemes, func(s document.Scheme) bool {
				return s.In == openapi3.ParameterInHeader && s.Name == name
			})
	})
}

// fill completes an exchange.
func (e *harEntry) fill(x *exchange) {
	data, known := e.Request.body()
	if len(codingsOf(x.request.Header)) > 0 { // some recorders decode the body, others leave it as it was
		known = known && json.Valid(data)
		x.request.Header.Del("Content-Encoding")
	}
	if known {
		x.requestBody.write(data)
		x.requestBody.end()
	}
	if e.Response.Status <= 0 { // there was no response
		return
	}
	passed := newCapture(x.op, -1)
	if content := e.Response.Content; content.Text != nil {
		if data, ok := recorded(*content.Text, content.Encoding); ok {
			passed.write(data)
			passed.end()
		}
	}
	x.response = &answer{
		status: e.Response.Status, header: e.Response.header(), body: passed.body, request: x.request.Header, plain: true,
	}
}

// body returns the body of a request, and whether it is known.
func (r *harRequest) body() (data []byte, known bool) {
	post := r.PostData
	switch {
	case post == nil:
		return nil, r.BodySize != nil && *r.BodySize == 0
	case post.Text != nil && (*post.Text != "" || len(post.Params) == 0):
		return recorded(*post.Text, post.Encoding)
	case len(post.Params) > 0 && !strings.HasPrefix(strings.ToLower(post.MimeType), "multipart/"):
		form := url.Values{}
		for _, p := range post.Params {
			form.Add(p.Name, p.Value)
		}
		return []byte(form.Encode()), true
	}
	return nil, false
}

// recorded returns a body, and whether it is readable.
func recorded(text, encoding string) (data []byte, ok bool) {
	if !strings.EqualFold(encoding, "base64") {
		return []byte(text), true
	}
	data, err := base64.StdEncoding.DecodeString(text)
	return data, err == nil
}

// A contextReader fails when its context ends. It remembers an error of its reader.
type contextReader struct {
	io.Reader

	ctx context.Context //nolint:containedctx // it lives as long as a call
	err error
}

func (r *contextReader) Read(p []byte) (int, error) {
	if r.err = r.ctx.Err(); r.err != nil {
		return 0, r.err
	}
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err //nolint:wrapcheck // the reader's, unchanged
}

// readHAR calls add for each entry.
func readHAR(ctx context.Context, r io.Reader, add func(*harEntry)) error {
	source := &contextReader{Reader: r, ctx: ctx}
	err := readEntries(source, add)
	if err != nil && source.err != nil {
		return source.err
	}
	return err
}

func readEntries(source *contextReader, add func(*harEntry)) error {
	in := bufio.NewReader(source)
	if mark, err := in.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = in.Discard(len(mark))
	}
	decoder := json.NewDecoder(in)
	if err := errors.Join(descend(decoder, "log"), descend(decoder, "entries")); err != nil {
		return errNoHAR
	}
	if token, err := decoder.Token(); err != nil || token != json.Delim('[') {
		return errNoHAR
	}
	for n := 1; decoder.More(); n++ {
		if err := source.ctx.Err(); err != nil {
			return err //nolint:wrapcheck // HAR wraps it
		}
		e := &harEntry{}
		if decoder.Decode(e) != nil { // the error may quote a value
			return fmt.Errorf("entry %d is malformed or not complete", n)
		}
		if e.Request.Method == "" || e.Request.URL == "" {
			return fmt.Errorf("entry %d has no request with a method and a URL", n)
		}
		add(e)
	}
	if _, err := decoder.Token(); err != nil {
		return errors.New("the recording is cut after its entries")
	}
	return nil
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
