package filestore_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

func FuzzStore(f *testing.F) {
	const marker = "Zq7wX2pL"
	good, err := session(marker).Export()
	if err != nil {
		f.Fatal(err)
	}
	for _, data := range []string{
		"", "{secret}", "null", "{}", `{"version":1,"token":"{secret}"}`, `{"version":2,"user_id":"{secret}"}`,
		string(good), string(good[:len(good)-1]), string(good) + "{secret}", "\xef\xbb\xbf" + string(good),
		string(good) + strings.Repeat(" ", 64<<10), strings.Repeat("{secret}", 10_000), `{"version":"{secret}"}`,
		`{"version":1,"user_id":"u","expiry":"2026-01-02T15:04:05Z","token":"t","cookie":"sessions=\"a b\"; Path=/; Secure"}`,
	} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data string) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "session.json")
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(data, "{secret}", marker)), 0o600); err != nil {
			t.Fatal(err)
		}
		store := newStore(t, path)
		loaded, err := store.Load(t.Context())
		if err != nil {
			if loaded != nil || errors.Is(err, kalshiauth.ErrNoSession) { // there is a file, and no login is to replace it
				t.Errorf("Load = %v, %v", loaded, err)
			}
			// %#v does not call methods: it shows what the error holds, down to the next pointer.
			for ; err != nil; err = errors.Unwrap(err) {
				if text := fmt.Sprintf("%v %+v %#v %q", err, err, err, err); strings.Contains(text, marker) {
					t.Errorf("the error shows what is in the file: %s", text)
				}
			}
			return
		}
		if err := store.Save(t.Context(), loaded); err != nil {
			t.Fatal(err)
		}
		again, err := store.Load(t.Context())
		if err != nil {
			t.Fatalf("what was saved cannot be loaded: %v", err)
		}
		was, _ := loaded.Export()
		if is, err := again.Export(); err != nil || !bytes.Equal(is, was) || again.Token() != loaded.Token() {
			t.Errorf("%s was saved, and %s is loaded, %v", was, is, err)
		}
	})
}
