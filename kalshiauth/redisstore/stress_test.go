package redisstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/redisstore"
)

// The stress tests start processes that stand for machines. Each has sources of the same account, which share a session
// in Redis, while the server ends all sessions again and again. make stress sets larger numbers.
var (
	processes = flag.Int("stress.processes", 3, "how many processes share the session")
	sources   = flag.Int("stress.sources", 5, "how many sources each process has")
	endings   = flag.Int("stress.endings", 3, "how often the server ends all sessions")
)

const (
	workerEnv = "REDISSTORE_WORKER" // the JSON of a worker
	loginTime = 50 * time.Millisecond
	soon      = 3 * time.Second // an ending is over for all sources
)

// A worker is a process with sources.
type worker struct {
	Name, Kalshi, Redis, Key string
	Sources                  int
	Wrong                    time.Duration // of its clock
}

// work is what a process of a worker does. It ends with its standard input.
func work() int {
	var w worker
	if err := json.Unmarshal([]byte(os.Getenv(workerEnv)), &w); err != nil {
		fmt.Println("error", err)
		return 1
	}
	client := redis.NewClient(&redis.Options{Addr: w.Redis, ContextTimeoutEnabled: true})
	kalshi, err := kalshiauth.New(kalshiauth.WithBaseURL(w.Kalshi), kalshiauth.WithUserAgent(w.Name),
		kalshiauth.WithHTTPClient(&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: w.Sources}}))
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	for i := range w.Sources {
		store, err := redisstore.New(client, w.Key)
		if err != nil {
			fmt.Println("error", err)
			return 1
		}
		source, err := autologin.New(kalshi, autologin.StaticCredentials(kalshiauth.Credentials{Email: email, Password: password}),
			autologin.WithStore(wrongClock{store, client, w.Key + ":session", w.Wrong}), autologin.WithLoginLimit(0, 1))
		if err != nil {
			fmt.Println("error", err)
			return 1
		}
		go w.use(source.HTTPClient(), fmt.Sprint(w.Name, "/", i))
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// use sends requests, each of which the server answers at the next ending, and prints what a caller must not see.
func (w *worker) use(client *http.Client, name string) {
	for {
		req, err := http.NewRequest(http.MethodGet, w.Kalshi+"/work", http.NoBody) //nolint:noctx // it may take long
		if err != nil {
			fmt.Println("error", err)
			return
		}
		req.Header.Set("X-Source", name)
		resp, err := client.Do(req)
		switch {
		case err != nil && strings.Contains(err.Error(), "redisstore: "):
			fmt.Println("store", name, err)
		case err != nil:
			fmt.Println("error", name, err)
		default:
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				fmt.Println(resp.StatusCode, name)
			}
		}
		if err != nil || resp.StatusCode != http.StatusOK {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// A wrongClock stores sessions as a machine does whose clock is wrong.
type wrongClock struct {
	*redisstore.Store

	client redis.UniversalClient
	key    string
	wrong  time.Duration
}

func (s wrongClock) Save(ctx context.Context, session *kalshiauth.Session) error {
	err := s.Store.Save(ctx, session)
	if err != nil || s.wrong == 0 {
		return err
	}
	if session.Expiry.IsZero() {
		return errors.New("the session has no Expiry: this test shows nothing")
	}
	moved := *session
	moved.IssuedAt, moved.Expiry = moved.IssuedAt.Add(s.wrong), moved.Expiry.Add(s.wrong)
	data, err := moved.Export()
	if err != nil {
		return err
	}
	return s.client.Set(ctx, s.key, data, redis.KeepTTL).Err()
}

// A firm is the account's server, Redis, and the processes.
type firm struct {
	t       *testing.T
	fake    *kalshiauthtest.Server
	redis   string
	key     string
	workers map[string]*exec.Cmd
	sources int // all of them

	onLogin atomic.Pointer[func(worker string)] // called once, before a log-in is answered
	logins  atomic.Int64
	seen    struct {
		sync.Mutex
		lines map[string][]string // by their first word
	}

	mu     sync.Mutex // guards the fields below
	served map[string]bool
	all    chan struct{} // closed when each source has been served
	end    chan struct{} // closed at the next ending
	gone   string        // a worker that does not count
}

func newFirm(t *testing.T, redisAddr string, wrong func(worker int) time.Duration) *firm {
	t.Helper()
	f := &firm{t: t, fake: newFake(t), redis: redisAddr, key: keyOf(t), workers: map[string]*exec.Cmd{}, sources: *processes * *sources}
	f.seen.lines = map[string][]string{}
	f.next()
	f.fake.Handle("GET /work", http.HandlerFunc(f.serve))
	f.fake.Intercept(kalshiauthtest.On("Login", func(next http.Handler) http.Handler {
		next = kalshiauthtest.Delay(loginTime)(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f.logins.Add(1)
			if onLogin := f.onLogin.Swap(nil); onLogin != nil {
				name, _, _ := strings.Cut(r.UserAgent(), " ")
				(*onLogin)(name)
			}
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			maps.Copy(w.Header(), answer.Header())
			w.Header().Set("Set-Cookie", w.Header().Get("Set-Cookie")+"; Max-Age=1800") // an Expiry
			w.WriteHeader(answer.Code)
			_, _ = answer.Body.WriteTo(w)
		})
	}))
	t.Cleanup(func() { // before the fake is closed, which waits for all requests
		f.mu.Lock()
		defer f.mu.Unlock()
		close(f.end)
	})
	for i := range *processes {
		w := worker{Name: fmt.Sprint("worker", i), Kalshi: f.fake.URL, Redis: redisAddr, Key: f.key, Sources: *sources}
		if wrong != nil {
			w.Wrong = wrong(i)
		}
		f.start(&w)
	}
	return f
}

func (f *firm) start(w *worker) {
	f.t.Helper()
	config, err := json.Marshal(w)
	if err != nil {
		f.t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), os.Args[0]) //nolint:gosec // this program
	cmd.Env = append(os.Environ(), workerEnv+"="+string(config))
	cmd.Stderr = nil // go-redis logs there what it cannot reach
	in, err := cmd.StdinPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.workers[w.Name] = cmd
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			word, _, _ := strings.Cut(lines.Text(), " ")
			f.seen.Lock()
			f.seen.lines[word] = append(f.seen.lines[word], lines.Text())
			f.seen.Unlock()
		}
	}()
	f.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = in.Close()
		<-read
		_ = cmd.Wait()
	})
}

// serve answers a request at the next ending.
func (f *firm) serve(_ http.ResponseWriter, r *http.Request) {
	source := r.Header.Get("X-Source")
	f.mu.Lock()
	end := f.end
	if !f.served[source] && (f.gone == "" || !strings.HasPrefix(source, f.gone+"/")) {
		f.served[source] = true
		if len(f.served) == f.sources {
			close(f.all)
		}
	}
	f.mu.Unlock()
	select {
	case <-end:
	case <-r.Context().Done():
	}
}

// next begins a round.
func (f *firm) next() {
	f.served, f.all, f.end = map[string]bool{}, make(chan struct{}), make(chan struct{})
}

// endSessions ends all sessions.
func (f *firm) endSessions() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fake.ExpireSessions()
	close(f.end)
	f.next()
}

// without leaves a worker out of those that must be served, from now on, or counts it again ("").
func (f *firm) without(worker string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = worker
	f.sources = *processes * *sources
	if worker != "" {
		f.sources -= *sources
	}
}

// wait waits until each source has been served with the session of this round, and returns how long that took.
func (f *firm) wait() time.Duration {
	f.t.Helper()
	start := time.Now()
	f.mu.Lock()
	all := f.all
	f.mu.Unlock()
	select {
	case <-all:
	case <-time.After(time.Minute):
		f.mu.Lock()
		n := len(f.served)
		f.mu.Unlock()
		f.t.Fatalf("after a minute, %d of %d sources have been served; seen: %v", n, f.sources, f.count())
	}
	return time.Since(start)
}

// count returns how often callers have seen what they must not see, by kind.
func (f *firm) count() map[string]int {
	f.seen.Lock()
	defer f.seen.Unlock()
	n := map[string]int{}
	for word, lines := range f.seen.lines {
		n[word] = len(lines)
	}
	return n
}

// check reports the counts, and compares them with what they may be.
func (f *firm) check(what string, least, most int, slowest, limit time.Duration, allowed ...string) {
	f.t.Helper()
	logins, seen := int(f.logins.Load()), f.count()
	f.t.Logf("%s: %d processes with %d sources each: %d log-ins (allowed: %d to %d), the slowest ending took %v "+
		"(allowed: %v), callers saw 401: %d, failures of the store: %d, other errors: %d", what, *processes, *sources, logins,
		least, most, slowest.Round(time.Millisecond), limit, seen["401"], seen["store"], seen["error"])
	if logins < least || logins > most {
		f.t.Errorf("%d log-ins, want %d to %d", logins, least, most)
	}
	if slowest > limit {
		f.t.Errorf("an ending took %v, want %v at most", slowest, limit)
	}
	f.seen.Lock()
	defer f.seen.Unlock()
	for word, lines := range f.seen.lines {
		if !slices.Contains(allowed, word) {
			f.t.Errorf("callers have seen %d times %s, such as %s", len(lines), word, lines[0])
		}
	}
}

// any server is good for tests that do not stop it.
func anyServer(t *testing.T) string {
	t.Helper()
	if program() == "" {
		return shared
	}
	return realServer(t).addr
}

func TestStressOneLoginForEachEnding(t *testing.T) {
	t.Parallel()
	f := newFirm(t, anyServer(t), nil)
	f.wait()
	var slowest time.Duration
	for range *endings {
		f.endSessions()
		slowest = max(slowest, f.wait())
	}
	f.check("endings", *endings+1, *endings+1, slowest, soon)
}

func TestStressClocksOfHalfAreWrong(t *testing.T) {
	t.Parallel()
	f := newFirm(t, anyServer(t), func(i int) time.Duration { return []time.Duration{0, time.Hour, 0, -time.Hour}[i%4] })
	f.wait()
	var slowest time.Duration
	for range *endings {
		f.endSessions()
		slowest = max(slowest, f.wait())
	}
	f.check("wrong clocks", *endings+1, *endings+1, slowest, soon)
}

func TestStressEndingsWithoutAPause(t *testing.T) {
	t.Parallel()
	f := newFirm(t, anyServer(t), nil)
	f.wait()
	for range *endings {
		f.endSessions()
		time.Sleep(100 * time.Millisecond)
	}
	slowest := f.wait()
	f.check("endings 100 ms apart", 2, *endings+1, slowest, soon, "401")
	// A request is sent three times at most. So its caller sees a 401 only if several endings come during the request.
	if seen, most := f.count()["401"], *endings*f.sources/2; seen > most {
		t.Errorf("callers saw 401 %d times, want %d times at most", seen, most)
	}
}

// A process is killed while it logs in.
func TestStressTheHolderIsKilled(t *testing.T) {
	t.Parallel()
	f := newFirm(t, realServer(t).addr, nil)
	f.wait()
	f.during(func(holder string) {
		f.without(holder)
		if err := f.workers[holder].Process.Kill(); err != nil {
			t.Error(err)
		}
	})
	f.endSessions()
	slowest := f.wait()
	f.endSessions()
	second := f.wait()
	f.check("a killed holder", 4, 4, slowest, lease+poll+soon)
	if second > soon {
		t.Errorf("the ending after it took %v, want %v at most", second, soon)
	}
}

// during calls do once, at the next log-in.
func (f *firm) during(do func(worker string)) { f.onLogin.Store(&do) }

func TestStressTheLockIsDeleted(t *testing.T) {
	t.Parallel()
	server := realServer(t)
	f := newFirm(t, server.addr, nil)
	client := newClient(t, server.addr)
	f.wait()
	var slowest time.Duration
	for range *endings {
		f.during(func(string) {
			if n, err := client.Del(t.Context(), f.key+":lock").Result(); n != 1 || err != nil {
				t.Errorf("%d locks deleted, %v", n, err)
			}
		})
		f.endSessions()
		slowest = max(slowest, f.wait())
	}
	f.check("the lock deleted by hand at each log-in", *endings+1, 2**endings+1, slowest, soon)
}

func TestStressRedisIsRestarted(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{true, false} {
		t.Run(map[bool]string{true: "with its data", false: "without its data"}[keep], func(t *testing.T) {
			t.Parallel()
			server := realServer(t)
			f := newFirm(t, server.addr, nil)
			f.wait()
			down := func() {
				if keep {
					client := redis.NewClient(&redis.Options{Addr: server.addr, MaxRetries: -1})
					_ = client.ShutdownSave(t.Context()).Err() // there is no answer
					_ = client.Close()
				} else {
					_ = server.cmd.Process.Kill()
				}
				<-server.exited
			}
			up := func() {
				if err := server.start(server.folder); err != nil {
					t.Error(err)
				}
			}
			// While all have a live session, nobody notices.
			down()
			up()
			f.endSessions()
			f.check("Redis restarted between endings", 2, 2, f.wait(), soon)

			// An ending while Redis is down waits until it is up: no process logs in by itself.
			down()
			f.endSessions()
			f.waitFor("store", *sources)
			up()
			f.check("an ending while Redis is down", 3, 3, f.wait(), soon, "store")

			// Redis fails during the log-in. The holder may lose its lock, and its session.
			f.during(func(string) { down(); up() })
			f.endSessions()
			f.check("Redis restarted during a log-in", 4, 5, f.wait(), lease+soon, "store")
			f.endSessions()
			f.check("and an ending after it", 5, 6, f.wait(), soon, "store")
			if n := f.count()["401"] + f.count()["error"]; n != 0 {
				t.Errorf("callers saw %v", f.count())
			}
		})
	}
}

// waitFor waits until callers have seen something n times.
func (f *firm) waitFor(what string, n int) {
	f.t.Helper()
	ticks := time.NewTicker(10 * time.Millisecond)
	defer ticks.Stop()
	for f.count()[what] < n {
		select {
		case <-ticks.C:
		case <-f.t.Context().Done():
			f.t.Fatal(errors.New("the test has ended"))
		}
	}
}
