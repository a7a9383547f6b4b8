package filestore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin/storetest"
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
	case "lock":
		err = lockForever(path)
	case "readonly":
		err = useReadOnly(path)
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

func TestTheStoreKeepsItsPromises(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	storetest.Run(t, func(t *testing.T) autologin.Store {
		t.Helper()
		return newStore(t, filepath.Join(folder, t.Name(), "session.json"))
	})
}

func TestAMethodWhoseContextHasEndedDoesNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	folder := filepath.Join(t.TempDir(), "folder")
	store := newStore(t, filepath.Join(folder, "session.json"))
	_, _, err := store.Lock(ctx)
	for _, err := range []error{err, store.Save(ctx, session("token"))} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want the context's error", err)
		}
	}
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder: %v, want none", err)
	}
}

func TestASymbolicLinkIsFollowed(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]func(folder string) string{ // of the file that the link leads to
		"absolute": func(folder string) string { return filepath.Join(folder, "real", "session.json") },
		"relative": func(string) string { return filepath.Join("real", "session.json") },
		"two links": func(folder string) string {
			link(t, filepath.Join("real", "session.json"), filepath.Join(folder, "second.json"))
			return "second.json"
		},
		"through a linked folder and up again": func(folder string) string {
			mkdir(t, filepath.Join(folder, "real", "below"))
			link(t, filepath.Join("real", "below"), filepath.Join(folder, "below"))
			return strings.Join([]string{"below", "..", "session.json"}, string(filepath.Separator)) // not cleaned
		},
	} {
		for _, dangling := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, dangling %t", name, dangling), func(t *testing.T) {
				t.Parallel()
				folder := t.TempDir()
				file := filepath.Join(folder, "real", "session.json")
				behind := newStore(t, file)
				if !dangling {
					if err := behind.Save(t.Context(), session("first")); err != nil {
						t.Fatal(err)
					}
				}
				linked := filepath.Join(folder, "link.json")
				link(t, path(folder), linked)
				store := newStore(t, linked)
				if got, err := store.Load(t.Context()); dangling && !errors.Is(err, kalshiauth.ErrNoSession) || !dangling && got.Token() != "first" {
					t.Errorf("Load through the link = %v, %v", got, err)
				}

				// One lock.
				_, unlock, err := store.Lock(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				assertLocked(t, behind, "Lock of the file while it is locked through the link")
				if err := unlock(); err != nil {
					t.Error(err)
				}

				// One file.
				if err := store.Save(t.Context(), session("second")); err != nil {
					t.Fatal(err)
				}
				if got, err := behind.Load(t.Context()); err != nil || got.Token() != "second" {
					t.Errorf("the file has %v, %v after Save through the link", got, err)
				}
				if info, err := os.Lstat(linked); err != nil || info.Mode().Type() != os.ModeSymlink {
					t.Errorf("after Save, the link is %v, %v", info, err)
				}
				if err := store.Delete(t.Context()); err != nil {
					t.Error(err)
				}
				if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("the file after Delete through the link: %v", err)
				}
			})
		}
	}
	round := filepath.Join(t.TempDir(), "round.json")
	link(t, round, round)
	if _, err := filestore.New(round); !errors.Is(err, kalshiauth.ErrInvalidInput) || !strings.Contains(err.Error(), round) {
		t.Errorf("a link to itself: %v, want ErrInvalidInput and its name", err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		if runtime.GOOS == "windows" {
			t.Skip("this user may make no links")
		}
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestDeleteRemovesWhatCannotBeReadButNoFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "session.json")
	store := newStore(t, path)
	if err := os.WriteFile(path, []byte("not a session"), 0o644); err != nil { //nolint:gosec // others can read it
		t.Fatal(err)
	}
	if err := store.Delete(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Delete: %v", err)
	}
	mkdir(t, path)
	for name, err := range map[string]error{"Save": store.Save(t.Context(), session("token")), "Delete": store.Delete(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), path+" is a folder") {
			t.Errorf("%s of a folder: %v", name, err)
		}
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		t.Errorf("the folder is %v, %v", info, err)
	}
}

func TestTheLockOfAProcessThatIsKilledIsFree(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "session.json")
	cmd := child(t, "lock", path, "")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "locked\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	store := newStore(t, path)
	assertLocked(t, store, "while the other process has the lock")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, unlock, err := store.Lock(ctx)
	if err != nil {
		t.Fatalf("after its end: %v", err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}

func lockForever(path string) error {
	store, err := filestore.New(path)
	if err != nil {
		return err
	}
	if _, _, err := store.Lock(context.Background()); err != nil {
		return err
	}
	fmt.Println("locked")
	time.Sleep(time.Minute) // it is killed
	return nil
}

// useReadOnly is a program with a session that it cannot write. It says what goes wrong.
func useReadOnly(path string) error {
	if err := giveUpRights(path); err != nil {
		fmt.Printf("unprepared: %v\n", err)
		return nil
	}
	store, err := filestore.New(path)
	if err != nil {
		return err
	}
	_, _, err = store.Lock(context.Background())
	fmt.Printf("lock: permission %t: %v\n", errors.Is(err, fs.ErrPermission), err)
	_, _, err = newBelow(path).Lock(context.Background())
	fmt.Printf("lock in a new folder: permission %t: %v\n", errors.Is(err, fs.ErrPermission), err)
	fmt.Printf("save: failed %t\n", store.Save(context.Background(), session("new")) != nil)
	fmt.Printf("delete: failed %t\n", store.Delete(context.Background()) != nil)

	client, err := kalshiauth.New(kalshiauth.WithBaseURL("http://127.0.0.1:9")) // nobody answers a log-in
	if err != nil {
		return err
	}
	creds := autologin.StaticCredentials(kalshiauth.Credentials{Email: email, Password: password})
	source, err := autologin.New(client, creds, autologin.WithStore(store))
	if err != nil {
		return err
	}
	got, err := source.Session(context.Background())
	fmt.Printf("session: %s, %v\n", got.Token(), err)
	return nil
}

func newBelow(path string) *filestore.Store {
	store, err := filestore.New(filepath.Join(filepath.Dir(path), "new folder", "session.json"))
	if err != nil {
		panic(err)
	}
	return store
}

// wantReadOnly checks what useReadOnly said.
func wantReadOnly(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	text := string(out)
	if strings.HasPrefix(text, "unprepared") {
		t.Skip(text)
	}
	for _, want := range []string{
		"lock: permission true", "lock in a new folder: permission true", "save: failed true", "delete: failed true",
		"session: kept, <nil>",
	} {
		if !strings.Contains(text, want+":") && !strings.Contains(text, want+"\n") {
			t.Errorf("%q is missing", want)
		}
	}
	if err != nil || t.Failed() {
		t.Errorf("%v: %s", err, text)
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

func TestAFileThatOthersCanReadIsRefusedWithTheCommandThatFixesIt(t *testing.T) {
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
		"not written by Export":     string(data[:len(data)-5]),
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
	if _, _, err := blocked.Lock(t.Context()); err == nil {
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
			_, unlock, err := store.Lock(t.Context())
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

// assertLocked fails if the lock of a store can be had now.
func assertLocked(t *testing.T, store *filestore.Store, what string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := store.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%s: %v, want the context's error", what, err)
	}
}

func TestWaitingForTheLockEndsWithTheContext(t *testing.T) {
	t.Parallel()
	store := newStore(t, filepath.Join(t.TempDir(), "session.json"))
	_, unlock, err := store.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	assertLocked(t, store, "Lock while it is locked")
	if err := unlock(); err != nil {
		t.Error(err)
	}
	_, unlock, err = store.Lock(t.Context())
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
	creds := autologin.StaticCredentials(kalshiauth.Credentials{Email: email, Password: password})
	source, err := autologin.New(client, creds, autologin.WithStore(store))
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url+"/user", nil) //nolint:gosec // the fake server
	if err != nil {
		return err
	}
	resp, err := source.HTTPClient().Do(req) //nolint:gosec // as above
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
