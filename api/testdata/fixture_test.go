// Package fixture_test tests the code that is generated from fixture.yaml. TestAnyDocumentGenerates in package api runs
// it in a copy of the module where gen and gen/server are generated from that document.
package fixture_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/gen"
	"github.com/kalshiauth/kalshiauth-go/gen/server"
)

// Names use Go's initialisms. E-mail addresses, UUIDs and optional strings are plain strings.
var (
	_ string = gen.LoginResponse{}.UserID
	_ string = gen.LoginRequest{}.Email
	_ string = gen.Order{}.Note
	_ string = gen.ListOrdersHTTPResponse401Headers{}.Code
	_ string = gen.ServerURLProduction
)

// orders implements the document's operations. It answers each request with status and body, and keeps the request.
type orders struct {
	request *http.Request
	list    server.ListOrdersParams
	cancel  server.CancelOrderParams
	userID  string
	orderID int64
	status  int
	body    string
}

var _ server.ServerInterface = &orders{}

func (o *orders) Login(w http.ResponseWriter, r *http.Request) { o.answer(w, r) }

func (o *orders) CreateOrder(w http.ResponseWriter, r *http.Request) { o.answer(w, r) }

func (o *orders) ListOrders(w http.ResponseWriter, r *http.Request, params server.ListOrdersParams) {
	o.list = params
	o.answer(w, r)
}

func (o *orders) CancelOrder(w http.ResponseWriter, r *http.Request, userID string, orderID int64,
	params server.CancelOrderParams,
) {
	o.userID, o.orderID, o.cancel = userID, orderID, params
	o.answer(w, r)
}

func (o *orders) answer(w http.ResponseWriter, r *http.Request) {
	o.request = r
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Code", "the_code")
	w.WriteHeader(o.status)
	_, _ = w.Write([]byte(o.body))
}

// serve starts a server that answers each request with status and body, and returns its handler and a client.
func serve(t *testing.T, status int, body string) (*orders, *gen.ClientWithResponses) {
	t.Helper()
	o := &orders{status: status, body: body}
	s := httptest.NewServer(server.Handler(o))
	t.Cleanup(s.Close)
	client, err := gen.NewClientWithResponses(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return o, client
}

func TestOptionalParameters(t *testing.T) {
	t.Parallel()
	required := url.Values{"user_id": {"u"}, "detailed": {"false"}, "depth": {"0"}, "fields": {"a", "b"}}
	for name, c := range map[string]struct {
		set  func(*gen.ListOrdersParams)
		want url.Values // in addition to required
	}{
		"absent": {func(*gen.ListOrdersParams) {}, nil},
		"zero": {
			func(p *gen.ListOrdersParams) { p.Extend, p.Cursor, p.Limit = ptr(false), ptr(""), ptr(0) },
			url.Values{"extend": {"false"}, "cursor": {""}, "limit": {"0"}},
		},
		"set": {
			func(p *gen.ListOrdersParams) {
				p.Extend, p.Cursor, p.Limit, p.State = ptr(true), ptr("c"), ptr(7), ptr(gen.Resting)
				p.States = []gen.OrderState{gen.Cancelled, gen.Executed}
			},
			url.Values{
				"extend": {"true"}, "cursor": {"c"}, "limit": {"7"}, "state": {"resting"},
				"states": {"cancelled", "executed"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, client := serve(t, http.StatusOK, `{"orders":[]}`)
			params := gen.ListOrdersParams{UserID: "u", Fields: []string{"a", "b"}}
			c.set(&params)
			resp, err := client.ListOrdersWithResponse(t.Context(), &params)
			if err != nil {
				t.Fatal(err)
			}
			if resp.JSON200 == nil {
				t.Fatalf("the answer is %s: %s", resp.Status(), resp.Body)
			}
			want := maps.Clone(required)
			maps.Copy(want, c.want)
			if got := o.request.URL.Query(); !reflect.DeepEqual(got, want) {
				t.Errorf("the client sent %v, want %v", got, want)
			}
			if got, want := asJSON(t, o.list), asJSON(t, params); got != want {
				t.Errorf("the server's Params are %s, want %s", got, want)
			}
		})
	}
}

func TestAnAbsentHeaderIsNotSent(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]*string{"absent": nil, "set": ptr("me")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, client := serve(t, http.StatusOK, `{"orders":[]}`)
			params := &gen.ListOrdersParams{UserID: "u", Fields: []string{"a"}, XClientID: id}
			if _, err := client.ListOrdersWithResponse(t.Context(), params); err != nil {
				t.Fatal(err)
			}
			var want []string
			if id != nil {
				want = []string{*id}
			}
			if got := o.request.Header.Values("X-Client-ID"); !slices.Equal(got, want) {
				t.Errorf("the client sent %q, want %q", got, want)
			}
		})
	}
}

func TestPathParameters(t *testing.T) {
	t.Parallel()
	o, client := serve(t, http.StatusNoContent, "")
	if _, err := client.CancelOrderWithResponse(t.Context(), "a/b", 7, &gen.CancelOrderParams{}); err != nil {
		t.Fatal(err)
	}
	if o.userID != "a/b" || o.orderID != 7 || o.cancel.Reason != nil || o.request.URL.RawQuery != "" {
		t.Errorf("the server got %q, %d, %v and the query %q", o.userID, o.orderID, o.cancel, o.request.URL.RawQuery)
	}
}

func TestOptionalFieldsOfABody(t *testing.T) {
	t.Parallel()
	for want, in := range map[string]gen.CreateOrderRequest{
		`{"ticker":"T"}`: {Ticker: "T"},
		`{"count":0,"limits":{"price":0},"post_only":false,"ticker":"T"}`: {
			Ticker: "T", Count: ptr(0), PostOnly: ptr(false), Limits: gen.Limits{Price: ptr[float32](0)},
		},
	} {
		if got := asJSON(t, in); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestEachStatusHasItsBody(t *testing.T) {
	t.Parallel()
	_, client := serve(t, http.StatusOK, `{"id":7,"state":"resting"}`)
	if resp, err := client.CreateOrderWithResponse(t.Context(), gen.CreateOrderRequest{}); err != nil {
		t.Error(err)
	} else if resp.JSON200 == nil || resp.JSON202 != nil || *resp.JSON200 != (gen.Order{ID: 7, State: gen.Resting}) {
		t.Errorf("of a 200: %+v", resp)
	}
	_, client = serve(t, http.StatusAccepted, `{"ticket":"t"}`)
	if resp, err := client.CreateOrderWithResponse(t.Context(), gen.CreateOrderRequest{}); err != nil {
		t.Error(err)
	} else if resp.JSON200 != nil || resp.JSON202 == nil || resp.JSON202.Ticket != "t" {
		t.Errorf("of a 202: %+v", resp)
	}
	_, client = serve(t, http.StatusUnauthorized, `{"error":{"message":"m"}}`)
	if resp, err := client.LoginWithResponse(t.Context(), gen.LoginRequest{}); err != nil {
		t.Error(err)
	} else if resp.JSON401 == nil || resp.JSON401.Error.Message != "m" || resp.Headers401.Code != "the_code" {
		t.Errorf("of a 401: %+v", resp)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func ptr[T any](v T) *T { return &v }
