package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/filestore"
)

const (
	sessionSuffix = ".json"
	recentFile    = ".recent" // the accounts of a server, the one that was used last first
	probeSize     = 24 << 10  // of a token: a store keeps it twice, in at most 64 KiB
)

// A place is where the sessions of one server are kept: a folder with a file for each account.
type place struct {
	baseURL, folder string
}

// configFolder returns the folder with a folder for each server.
func configFolder() (string, error) {
	config, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("the configuration folder is not known: %w", err)
	}
	return filepath.Join(config, "kalshiauth"), nil
}

func placeOf(baseURL string) (place, error) {
	config, err := configFolder()
	return place{baseURL, filepath.Join(config, url.QueryEscape(baseURL))}, err
}

// places returns the places of all servers.
func places() ([]place, error) {
	config, err := configFolder()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(config)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the sessions cannot be listed: %w", err)
	}
	var all []place
	for _, entry := range entries {
		if baseURL, err := url.QueryUnescape(entry.Name()); err == nil {
			all = append(all, place{baseURL, filepath.Join(config, entry.Name())})
		}
	}
	return all, nil
}

// emails returns the addresses of the accounts that have a file, the one that was used last first. known reports
// whether it is known which one that is.
func (p place) emails() (emails []string, known bool, err error) {
	entries, err := os.ReadDir(p.folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false, fmt.Errorf("the sessions cannot be listed: %w", err)
	}
	for _, entry := range entries {
		name, isSession := strings.CutSuffix(entry.Name(), sessionSuffix)
		if email, err := url.QueryUnescape(name); err == nil && isSession {
			emails = append(emails, email)
		}
	}
	recent := p.recent()
	rank := func(email string) int {
		if i := slices.Index(recent, email); i >= 0 {
			return i
		}
		return len(recent)
	}
	slices.SortStableFunc(emails, func(a, b string) int { return rank(a) - rank(b) })
	return emails, len(emails) == 1 || len(emails) > 1 && rank(emails[0]) < len(recent), nil
}

// recent returns the content of the file with that name.
func (p place) recent() []string {
	data, err := os.ReadFile(filepath.Join(p.folder, recentFile))
	if err != nil {
		return nil // then the user names the account
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// use makes an account the one that was used last.
func (p place) use(email string) error {
	recent := p.recent()
	if len(recent) > 0 && recent[0] == email {
		return nil
	}
	recent = append([]string{email}, slices.DeleteFunc(recent, func(e string) bool { return e == email })...)
	if err := replaceFile(filepath.Join(p.folder, recentFile), strings.Join(recent, "\n")+"\n"); err != nil {
		return fmt.Errorf("%s is not the default account now: %w", email, err)
	}
	return nil
}

// choose returns the account that was used last.
func (p place) choose() (string, error) {
	emails, known, err := p.emails()
	switch {
	case err != nil:
		return "", err
	case len(emails) == 0:
		return "", fmt.Errorf("%w: nobody is logged in to %s", kalshiauth.ErrNoSession, p.baseURL)
	case !known:
		return "", usageError{fmt.Errorf("several accounts are logged in, and it is not known which one was used last: "+
			"name one with -email: %s", strings.Join(emails, ", "))}
	}
	return emails[0], nil
}

// account returns an account of the place, which need not have a file.
func (p place) account(email string) (*account, error) {
	path := filepath.Join(p.folder, url.QueryEscape(email)+sessionSuffix)
	store, err := filestore.New(path)
	if err != nil {
		return nil, storeError{err}
	}
	return &account{place: p, email: email, path: path, store: store}, nil
}

// checkPlace returns an error if a session could not be saved: it saves one as large as can be under another name.
func (a *account) checkPlace(ctx context.Context) error {
	if _, err := a.store.Load(ctx); err != nil && !errors.Is(err, kalshiauth.ErrNoSession) {
		return fmt.Errorf("nothing was sent, since there is a file that a session must not replace: %w", err)
	}
	folder := a.folder
	if file, err := filepath.EvalSymlinks(a.path); err == nil {
		folder = filepath.Dir(file)
	}
	probe, err := filestore.New(filepath.Join(folder, ".check-"+rand.Text()))
	if err == nil {
		err = probe.Save(ctx, kalshiauth.SessionFromToken("", strings.Repeat("0", probeSize)))
		err = errors.Join(err, probe.Delete(ctx))
	}
	if err != nil {
		return fmt.Errorf("nothing was sent, since the session could not be kept: %w", err)
	}
	return nil
}

// replaceFile writes a file that only its owner can read, in place of an earlier one.
func replaceFile(name, content string) error {
	temp, err := os.CreateTemp(filepath.Dir(name), ".kalshiauth-*.tmp") // mode 0600
	if err != nil {
		return err //nolint:wrapcheck // it names the file
	}
	_, err = temp.WriteString(content)
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}
