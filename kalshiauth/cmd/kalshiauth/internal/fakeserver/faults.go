package fakeserver

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

type middleware = func(http.Handler) http.Handler

// A faultRequest says which fault to set.
type faultRequest struct {
	Fault             string  `json:"fault"`
	On                string  `json:"on,omitempty"`    // an operationId or a pattern of paths; "": all requests
	Times             *int    `json:"times,omitempty"` // nil: until it is cleared
	Status            int     `json:"status,omitempty"`
	RetryAfterSeconds *int    `json:"retry_after_seconds,omitempty"`
	DelaySeconds      float64 `json:"delay_seconds,omitempty"`
	Location          string  `json:"location,omitempty"`
}

// A kind is a kind of fault.
type kind struct {
	name      string
	functions []string // of kalshiauthtest
	needs     []string // fields of faultRequest
	takes     []string // more fields
	advice    string   // for an invalid value
	build     func(*faultRequest) middleware
}

// maxSeconds is the limit of delay_seconds and retry_after_seconds.
const maxSeconds = 86_400

// kinds has a kind for each fault of kalshiauthtest.
var kinds = []kind{
	{
		name: "status", functions: []string{"Status", "StatusRetryAfter"},
		needs: []string{"status"}, takes: []string{"retry_after_seconds"}, advice: "give a status from 400 to 599",
		build: func(f *faultRequest) middleware {
			if f.RetryAfterSeconds == nil {
				return kalshiauthtest.Status(f.Status)
			}
			return kalshiauthtest.StatusRetryAfter(f.Status, time.Duration(*f.RetryAfterSeconds)*time.Second)
		},
	},
	{
		name: "delay", functions: []string{"Delay"}, needs: []string{"delay_seconds"},
		build: func(f *faultRequest) middleware {
			return kalshiauthtest.Delay(time.Duration(f.DelaySeconds * float64(time.Second)))
		},
	},
	{
		name: "hang", functions: []string{"Hang"},
		build: func(*faultRequest) middleware { return kalshiauthtest.Hang() },
	},
	{
		name: "cut_body", functions: []string{"CutBody"},
		build: func(*faultRequest) middleware { return kalshiauthtest.CutBody() },
	},
	{
		name: "garbage", functions: []string{"Garbage"},
		build: func(*faultRequest) middleware { return kalshiauthtest.Garbage() },
	},
	{
		name: "html", functions: []string{"HTML"}, needs: []string{"status"},
		advice: "give a status from 200 to 599 that allows a body",
		build:  func(f *faultRequest) middleware { return kalshiauthtest.HTML(f.Status) },
	},
	{
		name: "redirect", functions: []string{"Redirect"}, needs: []string{"status", "location"},
		advice: "give a status from 300 to 399",
		build:  func(f *faultRequest) middleware { return kalshiauthtest.Redirect(f.Status, f.Location) },
	},
}

// FaultKinds returns the names of the faults that can be set.
func FaultKinds() (names []string) {
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// A fault is one that is set.
type fault struct {
	faultRequest

	id      int
	handler http.Handler // passes on to the chain of the request's context
	hits    atomic.Int64
}

// newFault returns a fault. given are the fields that the request has.
func newFault(f *faultRequest, given map[string]bool, prefix string) (*fault, error) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == f.Fault })
	if i < 0 {
		return nil, fmt.Errorf("there is no fault %q: give one of %s", f.Fault, strings.Join(FaultKinds(), ", "))
	}
	k := kinds[i]
	for _, need := range k.needs {
		if !given[need] {
			return nil, fmt.Errorf("the fault %s needs the field %s", k.name, need)
		}
	}
	allowed := slices.Concat([]string{"fault", "on", "times"}, k.needs, k.takes)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(allowed, name) {
			return nil, fmt.Errorf("the fault %s does not take %s: its fields are %s", k.name, name, strings.Join(allowed, ", "))
		}
	}
	switch {
	case f.Times != nil && *f.Times < 1:
		return nil, fmt.Errorf("times is %d: give 1 or more, or leave it out for a fault without an end", *f.Times)
	case f.DelaySeconds < 0 || f.DelaySeconds > maxSeconds:
		return nil, fmt.Errorf("delay_seconds is %v: give a number from 0 to %d", f.DelaySeconds, maxSeconds)
	case f.RetryAfterSeconds != nil && (*f.RetryAfterSeconds < 0 || *f.RetryAfterSeconds > maxSeconds):
		return nil, fmt.Errorf("retry_after_seconds is %d: give a number from 0 to %d", *f.RetryAfterSeconds, maxSeconds)
	case given["location"] && (f.Location == "" || strings.ContainsFunc(f.Location, isControl)):
		return nil, fmt.Errorf("location is %q: give a URL or a path", f.Location)
	}
	set := &fault{faultRequest: *f}
	var broken middleware
	if err := Catch(func() { broken = k.build(f) }); err != nil {
		return nil, fmt.Errorf("status is %d: %s", f.Status, k.advice)
	}
	broken = set.counted(broken)
	if f.Times != nil {
		broken = kalshiauthtest.Times(*f.Times, broken)
	}
	if given["on"] {
		var err error
		if broken, err = on(f.On, broken, prefix); err != nil {
			return nil, err
		}
	}
	set.handler = broken(http.HandlerFunc(passOn))
	return set, nil
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

// on limits a fault to an operation or to a path.
func on(target string, broken middleware, prefix string) (limited middleware, err error) {
	if document.API().Operation(target) != nil {
		return kalshiauthtest.On(target, broken), nil
	}
	if !strings.Contains(target, "/") {
		return nil, fmt.Errorf("on is %q: give an operation (%s), or a path such as /portfolio or "+
			"GET /users/{user_id}/balance", target, strings.Join(operations(), ", "))
	}
	_, path, _ := strings.Cut(target, "/")
	if prefix != "" && strings.HasPrefix("/"+path+"/", prefix+"/") {
		return nil, fmt.Errorf("on is %q: leave out %s, which is in front of all paths", target, prefix)
	}
	if err := Catch(func() { limited = kalshiauthtest.OnPath(target, broken) }); err != nil {
		return nil, fmt.Errorf("on is %q: give a path such as /portfolio, with or without a method in front", target)
	}
	return limited, nil
}

func operations() (ids []string) {
	for _, op := range document.API().Operations {
		ids = append(ids, op.ID)
	}
	return ids
}

// counted counts the requests that reach a fault.
func (f *fault) counted(broken middleware) middleware {
	return func(next http.Handler) http.Handler {
		handler := broken(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f.hits.Add(1)
			handler.ServeHTTP(w, r)
		})
	}
}

// faults are those that are set. A request passes them in the order in which they were set, until one answers. Since
// each fault is built once, a change of the list does not change how often the others still happen.
type faults struct {
	mu   sync.Mutex // guards the fields below
	last int        // the last ID
	list []*fault   // replaced, never changed
}

func (fs *faults) all() []*fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.list
}

func (fs *faults) add(f *fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.last++
	f.id = fs.last
	fs.list = append(slices.Clip(fs.list), f)
}

// remove removes one fault, and reports whether there was one with this ID.
func (fs *faults) remove(id int) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	rest := slices.DeleteFunc(slices.Clone(fs.list), func(f *fault) bool { return f.id == id })
	removed := len(rest) < len(fs.list)
	fs.list = rest
	return removed
}

func (fs *faults) clear() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = nil
}

// intercept is the middleware for [kalshiauthtest.Server.Intercept].
func (fs *faults) intercept(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { chain{fs.all(), next}.serve(w, r) })
}

// A chain is what a request still has to pass.
type chain struct {
	rest []*fault
	end  http.Handler
}

type chainKey struct{}

func (c chain) serve(w http.ResponseWriter, r *http.Request) {
	if len(c.rest) == 0 {
		c.end.ServeHTTP(w, r)
		return
	}
	ctx := context.WithValue(r.Context(), chainKey{}, chain{c.rest[1:], c.end})
	c.rest[0].handler.ServeHTTP(w, r.WithContext(ctx))
}

// passOn is the handler behind each fault.
func passOn(w http.ResponseWriter, r *http.Request) {
	if c, ok := r.Context().Value(chainKey{}).(chain); ok {
		c.serve(w, r)
	}
}
