package autologin_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
)

func TestADeadSessionFromTheStoreReachesNoCaller(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	logins := countLogins(fake)
	client, store := clientOf(t, fake), &memoryStore{}
	first := httpClient(client, newSource(t, client, creds(), autologin.WithStore(store)))
	warmUp(t, first, fake)
	fake.ExpireSessions()
	second := httpClient(client, newSource(t, client, creds(), autologin.WithStore(store)))
	warmUp(t, second, fake) // finds a dead session in the store
	fake.ExpireSessions()
	warmUp(t, first, fake) // has one dead session, and finds another
	warmUp(t, second, fake)
	if logins.Load() != 3 {
		t.Errorf("%d logins, want 3", logins.Load())
	}
}

func TestADeadSessionFromTheStoreReachesNoneOfManyCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv, store := &loginServer{}, &memoryStore{}
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second) // so that all meet the same session
			srv.ServeHTTP(w, r)
		})
		client := newClient(t, inMemory(slow))
		source := newSource(t, client, creds(), autologin.WithStore(store))
		get(t, source.HTTPClient(), client.BaseURL()+"/good")
		theirs, err := client.Login(t.Context(), credentials)
		if err != nil {
			t.Fatal(err)
		}
		_ = store.Save(t.Context(), theirs)
		srv.end() // the one in memory, and the one in the store
		var wg sync.WaitGroup
		var failed atomic.Int64
		for range 50 {
			wg.Go(func() {
				if status, _ := get(t, source.HTTPClient(), client.BaseURL()+"/good"); status != 200 {
					failed.Add(1)
				}
			})
		}
		wg.Wait()
		if failed.Load() != 0 || srv.logins.Load() != 3 {
			t.Errorf("%d of 50 requests got a 401, want none; %d log-ins, want 3", failed.Load(), srv.logins.Load())
		}
	})
}

func TestAStoredSessionIsReplayedOnceMoreOnItsFirstUseOnly(t *testing.T) {
	t.Parallel()
	for _, accepted := range []bool{false, true} {
		srv, store := &loginServer{}, &memoryStore{}
		var source *autologin.Source
		sent := 0
		client := newClient(t, withTransport(roundTripper(func(req *http.Request) (*http.Response, error) {
			switch {
			case req.URL.Path == "/accepts":
				return answering(reply(200, ""))(req)
			case !strings.HasSuffix(req.URL.Path, "/bad"):
				return answering(srv)(req)
			}
			sent++
			if sent == 2 && accepted { // by another request, in the meantime
				get(t, source.HTTPClient(), "https://"+req.URL.Host+"/accepts")
			}
			return answering(srv)(req)
		})))
		source = newSource(t, client, creds(), autologin.WithStore(store))
		_ = mustSession(t, source)
		theirs, err := client.Login(t.Context(), credentials)
		if err != nil {
			t.Fatal(err)
		}
		_ = store.Save(t.Context(), theirs)
		if status, _ := get(t, source.HTTPClient(), client.BaseURL()+"/bad"); status != 401 {
			t.Errorf("%d, want 401", status)
		}
		if want := map[bool]int{false: 3, true: 2}[accepted]; sent != want {
			t.Errorf("accepted before: %t: the request was sent %d times, want %d", accepted, sent, want)
		}
	}
}
