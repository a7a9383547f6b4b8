package filestore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/filestore"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

const (
	email    = "trader@example.com"
	password = "correct horse"
	userID   = "6d7d8a3b-9c0f-4a43-9d0c-0a5e3f3c6b1e"
)

// TestMain is also the other processes of the tests.
func TestMain(m *testing.M) {
	var err error
	switch path := os.Getenv("FILESTORE_PATH"); os.Getenv("FILESTORE_CHILD") {
	case "":
		os.Exit(m.Run())
	case "save":
		err = saveForever(path)
	case "login":
		err = useSession(path, os.Getenv("FILESTORE_URL"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(t *testing.T, what, path, url string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // this program
	cmd.Env = append(os.Environ(), "FILESTORE_CHILD="+what, "FILESTORE_PATH="+path, "FILESTORE_URL="+url)
	return cmd
}

func newStore(t *testing.T, path string) *filestore.Store {
	t.Helper()
	store, err := filestore.New(path)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func session(token string) *kalshiauth.Session { return kalshiauth.SessionFromToken(userID, token) }

func TestASavedSessionIsLoaded(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "made", "on demand")
	path := filepath.Join(folder, "it's a session.json")
	store := newStore(t, path)
	if _, err := store.Load(t.Context()); !errors.Is(err, kalshiauth.ErrNoSession) || !strings.Contains(err.Error(), path) {
		t.Errorf("no file: %v", err)
	}
	if err := store.Delete(t.Context()); err != nil {
		t.Errorf("deleting nothing: %v", err)
	}
	for _, token := range []string{"first", "second"} {
		if err := store.Save(t.Context(), session(token)); err != nil {
			t.Fatal(err)
		}
		got, err := newStore(t, path).Load(t.Context())
		if err != nil || got.Token() != token || got.UserID != userID {
			t.Errorf("loaded %v, %v", got, err)
		}
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 1 {
		t.Errorf("the folder has %v", entries)
	}
	if runtime.GOOS != "windows" {
		for name, want := range map[string]os.FileMode{path: 0o600, folder: 0o700 | os.ModeDir, filepath.Dir(folder): 0o700 | os.ModeDir} {
			if info, err := os.Stat(name); err != nil || info.Mode() != want {
				t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
			}
		}
	}
	if err := store.Delete(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := store.Load(t.Context()); !errors.Is(err, kalshiauth.ErrNoSession) {
		t.Errorf("after Delete: %v", err)
	}
}

func TestNewRefusesWhatIsNoFile(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", t.TempDir(), "sessions" + string(filepath.Separator)} {
		if store, err := filestore.New(path); store != nil || !errors.Is(err, kalshiauth.ErrInvalidInput) {
			t.Errorf("New(%q) = %v, %v; want ErrInvalidInput", path, store, err)
		}
	}
}

func TestAFileThatOthersCanReadIsRefusedWithTheCommandThatMendsIt(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // it has no such modes
	}
	for name, quoted := range map[string]string{"session.json": "%s", "it's.json": `'%s'`} {
		folder := t.TempDir()
		path := filepath.Join(folder, name)
		store := newStore(t, path)
		if err := store.Save(t.Context(), session("token")); err != nil {
			t.Fatal(err)
		}
		want := "run chmod 600 " + fmt.Sprintf(quoted, strings.ReplaceAll(path, "'", `'\''`))
		for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o620, 0o777} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Load(t.Context()); err == nil || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("mode %v: %v, want %s", mode, err, want)
			}
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Load(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestAFileThatIsNoSessionIsAClearError(t *testing.T) {
	t.Parallel()
	data, err := session("the-token").Export()
	if err != nil {
		t.Fatal(err)
	}
	for want, content := range map[string]string{
		"not an exported session":   string(data[:len(data)-5]),
		"remove the file to log in": "",
		"update kalshiauth-go":      strings.Replace(string(data), `"version":1`, `"version":2`, 1),
		"too large":                 strings.Repeat(" ", 1<<17) + string(data),
	} {
		path := filepath.Join(t.TempDir(), "session.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := newStore(t, path).Load(t.Context())
		if err == nil || errors.Is(err, kalshiauth.ErrNoSession) || strings.Contains(err.Error(), "the-token") ||
			!strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %s and the file's name", content, err, want)
		}
	}
	path := filepath.Join(t.TempDir(), "session.json")
	store := newStore(t, path)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Load(t.Context()); err == nil || errors.Is(err, kalshiauth.ErrNoSession) {
		t.Errorf("a folder: %v", err)
	}
}

func TestWhatCannotBeWrittenIsAnErrorAndLeavesTheOldSession(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	store := newStore(t, filepath.Join(folder, "session.json"))
	if err := store.Save(t.Context(), session("old")); err != nil {
		t.Fatal(err)
	}
	if err := store.Save(t.Context(), session("")); !errors.Is(err, kalshiauth.ErrNoSession) {
		t.Errorf("a session without a secret: %v", err)
	}
	if got, err := store.Load(t.Context()); err != nil || got.Token() != "old" {
		t.Errorf("loaded %v, %v", got, err)
	}
	blocked := newStore(t, filepath.Join(folder, "session.json", "below a file"))
	if err := blocked.Save(t.Context(), session("new")); err == nil {
		t.Error("saved below a file")
	}
	if _, err := blocked.Lock(t.Context()); err == nil {
		t.Error("locked below a file")
	}
}

func TestTheLockExcludesGoroutinesAndStores(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "session.json")
	shared := newStore(t, path)
	var inside, counter int32
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			store := shared
			if i%2 == 0 {
				store = newStore(t, path)
			}
			unlock, err := store.Lock(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if atomic.AddInt32(&inside, 1) != 1 {
				t.Error("two hold the lock")
			}
			counter++ // the race detector sees it, too
			atomic.AddInt32(&inside, -1)
			if err := unlock(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if counter != 20 {
		t.Errorf("counted to %d", counter)
	}
}

func TestWaitingForTheLockEndsWithTheContext(t *testing.T) {
	t.Parallel()
	store := newStore(t, filepath.Join(t.TempDir(), "session.json"))
	unlock, err := store.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := store.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the context's error", err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
	unlock, err = store.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}

func TestNoRenderingOfAStoreShowsASession(t *testing.T) {
	t.Parallel()
	store := newStore(t, filepath.Join(t.TempDir(), "session.json"))
	if err := store.Save(t.Context(), session("the-token")); err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", store, store, *store, store); strings.Contains(text, "the-token") {
		t.Error(text)
	}
}

// saveForever saves a session after the other, and says so.
func saveForever(path string) error {
	store, err := filestore.New(path)
	if err != nil {
		return err
	}
	for i := 1; ; i++ {
		if err := store.Save(context.Background(), session(token(i))); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// token is long, so that a part of a file is not taken for the whole.
func token(i int) string { return fmt.Sprintf("%d-%s", i, strings.Repeat("x", 30_000)) }

func TestAProcessThatIsKilledLeavesTheOldSessionOrTheNewOne(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "session.json")
	store := newStore(t, path)
	saves, kills := 0, 0
	for saves < 200 || kills < 20 {
		cmd := child(t, "save", path, "")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		last := 0
		for range 5 + rand.IntN(15) { // then somewhere in the next save
			if !lines.Scan() {
				t.Fatal("the other process ended")
			}
			last, _ = strconv.Atoi(lines.Text())
		}
		for range rand.IntN(20_000) {
			runtime.Gosched()
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			last, _ = strconv.Atoi(lines.Text())
		}
		_ = cmd.Wait()
		got, err := store.Load(t.Context())
		if err != nil {
			t.Fatalf("after %d saves: %v", saves+last, err)
		}
		if got.Token() != token(last) && got.Token() != token(last+1) {
			t.Errorf("after save %d, the file has %.10s", last, got.Token())
		}
		saves, kills = saves+last, kills+1
	}
	t.Logf("%d processes killed during %d saves", kills, saves)

	// What they left is removed once it is old.
	left := filepath.Join(folder, "session.json.123.tmp")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(filepath.Join(folder, entry.Name()), old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Save(t.Context(), session("last")); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 1 {
		t.Errorf("the folder has %v", entries)
	}
}

// useSession is a program that shares a session.
func useSession(path, url string) error {
	store, err := filestore.New(path)
	if err != nil {
		return err
	}
	client, err := kalshiauth.New(kalshiauth.WithBaseURL(url))
	if err != nil {
		return err
	}
	creds := kalshiauth.StaticCredentials(kalshiauth.Credentials{Email: email, Password: password})
	source := client.LoginSource(creds, kalshiauth.WithStore(store))
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url+"/user", nil) //nolint:gosec // the fake server
	if err != nil {
		return err
	}
	resp, err := client.HTTPClient(source).Do(req) //nolint:gosec // as above
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(os.Stdout, resp.Body)
	return err
}

func TestTwentyProcessesOverAnEmptyStoreLogInOnce(t *testing.T) {
	t.Parallel()
	fake := kalshiauthtest.NewServer()
	t.Cleanup(fake.Close)
	fake.AddUser(email, password)
	var logins, uses atomic.Int64
	fake.Intercept(kalshiauthtest.On("Login", func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			logins.Add(1)
			next.ServeHTTP(w, r)
		})
	}))
	fake.Handle("GET /user", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		uses.Add(1)
		_, _ = io.WriteString(w, "ok")
	}))
	path := filepath.Join(t.TempDir(), "session.json")
	var wg sync.WaitGroup
	for range 20 {
		cmd := child(t, "login", path, fake.URL)
		wg.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != "ok" {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
	if logins.Load() != 1 || uses.Load() != 20 || fake.Sessions() != 1 {
		t.Errorf("%d logins and %d uses of %d sessions, want 1, 20 and 1", logins.Load(), uses.Load(), fake.Sessions())
	}
}
