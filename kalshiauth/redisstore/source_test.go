package redisstore_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
)

// counter counts the round trips of a client.
type counter struct{ n *atomic.Int64 }

func (c counter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmd)
	}
}

func (c counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmds)
	}
}

func TestWhatSharingCosts(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	fake.Handle("GET /work", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	client := newClient(t, shared)
	var sent atomic.Int64
	client.AddHook(counter{&sent})
	key := keyOf(t)
	bot := newBot(t, fake, client, key)
	get := func() {
		resp, err := bot.source.HTTPClient().Get(fake.URL + "/work") //nolint:noctx // the fake answers
		if err != nil {
			t.Error(err)
			return
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("GET: %s", resp.Status)
		}
	}
	get() // Redis caches the scripts
	cost := func(what string, want int64, do func()) {
		sent.Store(0)
		logins := fake.Requests("Login")
		do()
		t.Logf("%s: %d round trips to Redis, %d log-ins", what, sent.Load(), fake.Requests("Login")-logins)
		if got := sent.Load(); got != want {
			t.Errorf("%s: %d round trips, want %d", what, got, want)
		}
	}
	cost("a thousand requests with a live session", 0, func() {
		var requests sync.WaitGroup
		for range 10 {
			requests.Go(func() {
				for range 100 {
					get()
				}
			})
		}
		requests.Wait()
	})
	cost("a log-in", 4, func() {
		fake.ExpireSessions()
		get()
	})
	machine := newBot(t, fake, client, key)
	cost("the session of another machine", 3, func() {
		if _, err := machine.source.Session(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if n := fake.Requests("Login"); n != 2 {
		t.Errorf("%d log-ins, want 2", n)
	}
}

// A log-out ends the session for all machines, and the next one logs in again.
func TestALogoutEndsTheSharedSession(t *testing.T) {
	t.Parallel()
	fake, client, key := newFake(t), newClient(t, shared), keyOf(t)
	first, second := newBot(t, fake, client, key), newBot(t, fake, newClient(t, shared), key)
	for _, b := range []*bot{first, second} {
		if _, err := b.source.Session(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.source.Logout(t.Context()); err != nil || fake.Sessions() != 0 {
		t.Errorf("Logout: %v, %d sessions are left", err, fake.Sessions())
	}
	if n := client.Exists(t.Context(), key+":session").Val(); n != 0 {
		t.Error("the session is still in Redis")
	}
	if n := client.Exists(t.Context(), key+":lock").Val(); n != 0 {
		t.Error("the lock is still in Redis")
	}
}
