package kalshiauth_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/robustness"
)

func TestEachStatusIsItsSentinelForEveryOperation(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		200: "", 201: "", 202: "", 204: "", 206: "", 300: "", 304: "", 307: "", 399: "",
		400: "ErrBadRequest", 401: "ErrUnauthorized", 403: "ErrForbidden", 404: "", 409: "", 429: "ErrRateLimited",
		499: "", 500: "ErrServer", 502: "ErrServer", 503: "ErrServer ErrUnavailable", 599: "ErrServer", 600: "", 999: "",
	} {
		for _, op := range operations {
			if status == op.Success {
				continue
			}
			for body, unexpected := range map[string]bool{"": true, `{"code":"c"}`: status < 400} {
				want := want
				if unexpected {
					want = strings.TrimSpace(want + " ErrUnexpectedResponse")
				}
				err := op.Call(t.Context(), serve(t, reply(status, body)), op.Input)
				var answer *kalshiauth.Error
				if kinds(err) != want || !errors.As(err, &answer) || answer.Op != op.ID || answer.StatusCode != status {
					t.Errorf("%s: %d with the body %q is %q (%v), want %q", op.ID, status, body, kinds(err), err, want)
				}
			}
		}
	}
}

func TestErrorFieldsAreFoundWhereverTheyAre(t *testing.T) {
	t.Parallel()
	const flat = `{"code":"c","message":"m","details":"d","service":"s"}`
	headers := []string{"code: hc", "message: hm", "details: hd", "service: hs"}
	for name, test := range map[string]struct {
		body    string
		headers []string
		want    string // code, message, details, service
	}{
		"body":                   {flat, nil, "c m d s"},
		"nested body":            {`{"error":` + flat + `}`, nil, "c m d s"},
		"headers":                {"", headers, "hc hm hd hs"},
		"body before headers":    {flat, headers, "c m d s"},
		"nested before headers":  {`{"error":` + flat + `}`, headers, "c m d s"},
		"some of each":           {`{"code":"c","error":{"message":"m"}}`, headers, "c m hd hs"},
		"empty body fields":      {`{"code":"","message":null}`, headers, "hc hm hd hs"},
		"unknown fields":         {`{"code":"c","x":[{}],"error":{"y":1}}`, nil, "c   "},
		"an error that is text":  {`{"error":"m"}`, nil, " m  "},
		"null error":             {`{"error":null,"code":"c"}`, nil, "c   "},
		"numbers and objects":    {`{"code":401,"message":true,"details":{"a":[1]},"service":null}`, nil, `401 true {"a":[1]} `},
		"HTML and headers":       {"<html>", append(headers, "Content-Type: text/html"), "hc hm hd hs"},
		"broken JSON":            {`{"code":`, headers, "hc hm hd hs"},
		"JSON of another type":   {`[1]`, headers, "hc hm hd hs"},
		"JSON as text":           {flat, []string{"Content-Type: text/plain; charset=utf-8"}, "c m d s"},
		"problem JSON":           {flat, []string{"Content-Type: application/problem+json"}, "c m d s"},
		"JSON, wrong parameters": {flat, []string{"Content-Type: application/json; charset; x"}, "c m d s"},
		"JSON with a charset":    {flat, []string{"Content-Type: Application/JSON; charset=utf-8"}, "c m d s"},
		"nested, of other types": {`{"error":{"code":1,"message":"m","details":"d","service":null}}`, nil, "1 m d "},
		"JSON that says nothing": {"{}", nil, "   "},
	} {
		for _, op := range operations {
			var answer *kalshiauth.Error
			if err := op.Call(t.Context(), serve(t, reply(401, test.body, test.headers...)), op.Input); !errors.As(err, &answer) {
				t.Errorf("%s, %s: %v", op.ID, name, err)
				continue
			}
			got := strings.Join([]string{answer.Code, answer.Message, answer.Details, answer.Service}, " ")
			if got != test.want || answer.StatusCode != 401 {
				t.Errorf("%s, %s: %d %q, want %q", op.ID, name, answer.StatusCode, got, test.want)
			}
		}
	}
}

func TestErrorTextsSayWhatCameBack(t *testing.T) {
	t.Parallel()
	for want, handler := range map[string]http.HandlerFunc{
		`kalshiauth: Login: 401 Unauthorized, "Wrong password.", details "d", code "c", service "s"`: reply(401,
			`{"code":"c","message":"Wrong password.","details":"d","service":"s"}`),
		`kalshiauth: Login: 503 Service Unavailable, "Down."; retry after 1m0s`: reply(503,
			`{"message":"Down."}`, "Retry-After: 60"),
		`kalshiauth: Login: 502 Bad Gateway: the body is "text/html", not application/json; ` +
			`a proxy or another host may have sent it`: reply(502, "<html>", "Content-Type: text/html; charset=utf-8"),
		`kalshiauth: Login: 500 Internal Server Error: the body is empty`:                    reply(500, ""),
		`kalshiauth: Login: 500 Internal Server Error: the body is not the JSON of an error`: reply(500, "{"),
		`kalshiauth: Login: 500 Internal Server Error: the body has no error message`:        reply(500, "{}"),
		`kalshiauth: Login: 201 Created: the documented success is 200`:                      reply(201, loginBody),
		`kalshiauth: Login: 200 OK: the body is empty`:                                       reply(200, ""),
		`kalshiauth: Login: 200 OK: the body is not the JSON of a LoginResponse`:             reply(200, "{}}"),
		`kalshiauth: Login: 200 OK: the body has no user_id`:                                 reply(200, "{}"),
		`kalshiauth: Login: 200 OK: the body is larger than 64 KiB`:                          reply(200, strings.Repeat(" ", 1<<17)),
		`kalshiauth: Login: 400 Bad Request: the body is larger than 64 KiB`: reply(400,
			strings.Repeat(" ", 1<<17), "Content-Length: 131072"),
		`kalshiauth: Login: 403 Forbidden, code "c"`: reply(403, "<html>", "Content-Type: text/html", "Code: c"),
		`kalshiauth: Login: 401 Unauthorized, code "c": the body cannot be read to its end: unexpected EOF`: reply(401,
			"", "Content-Length: 10", "Code: c"),
		`kalshiauth: Login: 300 Multiple Choices: a redirect is not followed; check the base URL`:   reply(300, "", "Location: /x"),
		`kalshiauth: Login: 400 Bad Request, "two\nlines"`:                                          reply(400, `{"message":"two\nlines"}`),
		`kalshiauth: Login: 777, code "c"`:                                                          reply(777, `{"code":"c"}`),
		`kalshiauth: Login: 400 Bad Request, "` + strings.Repeat("x", 300) + `"`:                    reply(400, `{"message":"`+strings.Repeat("x", 5000)+`"}`),
		`kalshiauth: Login: 307 Temporary Redirect: a redirect is not followed; check the base URL`: reply(307, "", "Location: %zz:"),
		`kalshiauth: Login: 300 Multiple Choices: the documented success is 200`:                    reply(300, ""),
		`kalshiauth: Login: 302 Found: a redirect to example.com is not followed; ` +
			`check the base URL`: reply(302, "", "Location: https://example.com/secret"),
	} {
		_, err := serve(t, handler).Login(t.Context(), credentials)
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestASuccessThatBreaksTheContractIsNone(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"HTML":                 reply(200, "<html>", "Content-Type: text/html"),
		"JSON said to be HTML": reply(200, loginBody, "Content-Type: text/html"),
		"JSON said to be text": reply(200, loginBody, "Content-Type: text/plain"),
		"no content type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			_, _ = io.WriteString(w, loginBody)
		},
		"unreadable content type": reply(200, loginBody, "Content-Type: application//json"),
		"empty body":              reply(200, ""),
		"empty chunked body": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = http.NewResponseController(w).Flush()
		},
		"null":             reply(200, "null"),
		"an array":         reply(200, "[]"),
		"wrong types":      reply(200, `{"user_id":1,"token":2,"access_level":3}`),
		"wrong level type": reply(200, `{"user_id":"u","token":"t","access_level":3}`),
		"trailing garbage": reply(200, loginBody+"x"),
		"two values":       reply(200, loginBody+loginBody),
	} {
		session, err := serve(t, handler).Login(t.Context(), credentials)
		if session != nil || kinds(err) != "ErrUnexpectedResponse" {
			t.Errorf("%s: %v, %v; want ErrUnexpectedResponse", name, session, err)
		}
	}
}

func TestASuccessWithFieldsNeedsThem(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		if op.Answer == "" {
			continue
		}
		for name, handler := range map[string]http.HandlerFunc{
			"HTML": reply(op.Success, op.Answer, "Content-Type: text/html"), "nothing": reply(op.Success, ""), "null": reply(op.Success, "null"),
			"an empty object": reply(op.Success, "{}"), "a list": reply(op.Success, "["+op.Answer+"]"), "two values": reply(op.Success, op.Answer+"{}"),
			"a part": reply(op.Success, op.Answer[:len(op.Answer)-1]), "too much": reply(op.Success, op.Answer+strings.Repeat(" ", 1<<16)),
		} {
			if err := op.Call(t.Context(), newClient(t, inMemory(handler)), op.Input); kinds(err) != "ErrUnexpectedResponse" {
				t.Errorf("%s: %s: %v, want ErrUnexpectedResponse: check the answer in decode of Client.%s in kalshiauth/client.go",
					op.ID, name, err, op.ID)
			}
		}
	}
}

func TestASuccessWithoutFieldsIsOneWhateverItsBody(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "{}", "<html>", "garbage", strings.Repeat("x", 1<<20)} {
		err := serve(t, reply(202, body)).ResetPassword(t.Context(), email)
		if err != nil {
			t.Errorf("%.20q: %v", body, err)
		}
	}
}

// countingBody is a body that counts what is read of it, and ends with err.
type countingBody struct {
	data   io.Reader
	read   int
	closed bool
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.data.Read(p)
	b.read += n
	return n, err
}

func (b *countingBody) Close() error { b.closed = true; return nil }

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// answer is a transport that answers with a body.
func answer(status int, contentType string, length int64, body io.ReadCloser) kalshiauth.Option {
	return kalshiauth.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Header: http.Header{"Content-Type": {contentType}}, ContentLength: length, Body: body, Request: req,
		}, nil
	})})
}

func TestAtMost64KiBOfABodyAreReadAndNothingOfAMeaninglessOne(t *testing.T) {
	t.Parallel()
	const limit = 64 << 10
	for name, test := range map[string]struct {
		op          string
		status      int
		contentType string
		length      int64
		most        int
	}{
		"endless success":                 {"Login", 200, "application/json", -1, limit},
		"endless error":                   {"Login", 401, "application/json", -1, limit},
		"endless error of a log-out":      {"Logout", 500, "application/json", -1, limit},
		"endless error as text":           {"ResetPassword", 400, "text/plain", -1, limit},
		"success that is said to be long": {"Login", 200, "application/json", limit + 1, 0},
		"error that is said to be long":   {"Login", 400, "application/json", 1 << 40, 0},
		"HTML success":                    {"Login", 200, "text/html", -1, 0},
		"HTML error":                      {"Login", 502, "text/html", -1, 0},
		"redirect":                        {"Login", 302, "application/json", -1, 0},
		"other success":                   {"Login", 201, "application/json", -1, 0},
		"202":                             {"ResetPassword", 202, "application/json", -1, 0},
		"204":                             {"Logout", 204, "application/json", -1, 0},
	} {
		body := &countingBody{data: endless(' ')}
		client := newClient(t, kalshiauth.WithRetries(0), answer(test.status, test.contentType, test.length, body))
		op := robustness.Lookup(test.op)
		err := op.Call(t.Context(), client, op.Input)
		if success := test.status == 202 || test.status == 204; (err == nil) != success {
			t.Errorf("%s: %v", name, err)
		}
		if body.read > test.most || !body.closed {
			t.Errorf("%s: read %d bytes, want at most %d; closed: %t", name, body.read, test.most, body.closed)
		}
	}
}

func TestABodyOfExactly64KiBIsNotTooLong(t *testing.T) {
	t.Parallel()
	const limit = 64 << 10
	for length, want := range map[int]bool{limit: true, limit + 1: false} {
		body := loginBody + strings.Repeat(" ", length-len(loginBody))
		client := newClient(t, answer(200, "application/json", int64(length), io.NopCloser(strings.NewReader(body))))
		if _, err := client.Login(t.Context(), credentials); (err == nil) != want {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
}

func TestABodyThatIsCutKeepsItsStatusAndCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("the cause: " + password)
	for _, status := range []int{200, 401} {
		for _, cut := range []error{io.ErrUnexpectedEOF, cause} {
			body := &countingBody{data: io.MultiReader(strings.NewReader(`{"user_id":"`), failing{cut})}
			client := newClient(t, kalshiauth.WithRetries(0), answer(status, "application/json", -1, body))
			_, err := client.Login(t.Context(), credentials)
			var answer *kalshiauth.Error
			if !errors.As(err, &answer) || answer.StatusCode != status || !errors.Is(err, cut) ||
				!errors.Is(cut, cause) && !strings.Contains(err.Error(), "cannot be read to its end") {
				t.Errorf("%d, cut by %v: %v", status, cut, err)
			}
			robustness.AssertNoSecret(t, fmt.Sprint(status), err, robustness.AllVerbs, password)
		}
	}
}

func TestAPlainTextAnswerIsItsStatusAndUnexpectedAndShown(t *testing.T) {
	t.Parallel()
	const moved = "API has been moved to https://api.example.com/trade-api/v2"
	for _, op := range operations {
		for body, want := range map[string]string{
			moved + "\n": moved, " " + strings.Repeat("ü", 400): strings.Repeat("ü", 300), "bad \xff": "bad ?",
			strings.Repeat("x", 200) + "\n" + strings.Repeat("y", 1<<14): strings.Repeat("x", 200) + "\n" + strings.Repeat("y", 99),
		} {
			err := op.Call(t.Context(), serve(t, reply(401, body, "Content-Type: text/plain; charset=utf-8", "X-Request-Id: r-1")), op.Input)
			var answer *kalshiauth.Error
			if kinds(err) != "ErrUnauthorized ErrUnexpectedResponse" || !errors.As(err, &answer) {
				t.Errorf("%s: %v", op.ID, err)
				continue
			}
			if answer.Message != want || answer.ContentType != "text/plain" || answer.RequestID != "r-1" {
				t.Errorf("%s: message %q, content type %q, request ID %q; want %q", op.ID, answer.Message, answer.ContentType, answer.RequestID, want)
			}
		}
		err := op.Call(t.Context(), serve(t, reply(401, moved, "Content-Type: text/plain", "X-Request-Id: r-1")), op.Input)
		if want := `kalshiauth: ` + op.ID + `: 401 Unauthorized, "` + moved + `": the body is "text/plain", not application/json; ` +
			`a proxy or another host may have sent it; request ID "r-1"`; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestContentTypeIsTheMediaTypeOfTheBody(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"Application/JSON; charset=utf-8": "application/json", "text/html": "text/html", "": "", " text/x ;": "text/x",
	} {
		client := newClient(t, kalshiauth.WithRetries(0), answer(401, header, -1, io.NopCloser(strings.NewReader("x"))))
		_, err := client.Login(t.Context(), credentials)
		var answer *kalshiauth.Error
		if !errors.As(err, &answer) || answer.ContentType != want || answer.RequestID != "" {
			t.Errorf("%q: %q in %v, want %q", header, answer.ContentType, err, want)
		}
	}
}

// It is not parallel, since it measures what is allocated.
func TestMemoryGrowsWithWhatComes(t *testing.T) { //nolint:paralleltest // as said
	for _, length := range []int64{-1, 0, int64(len(loginBody)), 60_000, 64 << 10} {
		const calls = 50
		client := newClient(t, kalshiauth.WithHTTPClient(&http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: length,
				Body: io.NopCloser(strings.NewReader(loginBody)),
			}, nil
		})}))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range calls {
			if _, err := client.Login(t.Context(), credentials); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / calls; each > 16<<10 {
			t.Errorf("with the Content-Length %d, a log-in with a body of %d bytes allocates %d", length, len(loginBody), each)
		}
	}
}

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	t.Parallel()
	now := time.Now().Add(-time.Hour).UTC() // by a clock that is slow
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "120": 2 * time.Minute, "-1": 0, "soon": 0, "1.5": 0,
		"99999999999999999999": math.MaxUint32 * time.Second, "Fri, 31 Dec 9999 23:59:59 GMT": math.MaxUint32 * time.Second,
		now.Add(time.Minute).Format(http.TimeFormat):  time.Minute,
		now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		headers := []string{"Date: " + now.Format(http.TimeFormat), "Retry-After: " + value}
		var answer *kalshiauth.Error
		if _, err := serve(t, reply(429, "{}", headers...)).Login(t.Context(), credentials); !errors.As(err, &answer) {
			t.Fatal(err)
		}
		if answer.RetryAfter != want {
			t.Errorf("Retry-After %q is %v, want %v", value, answer.RetryAfter, want)
		}
	}
}
