package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

func cookie(ctx context.Context, cmd *cli.Command) error {
	file := cmd.String("file")
	if cmd.IsSet("file") {
		if err := checkJar(file); err != nil {
			return usageError{err}
		}
	}
	a, session, err := loggedIn(ctx, cmd)
	if err != nil {
		return err
	}
	if err := a.use(a.email); err != nil {
		return err
	}
	if file != "" {
		return writeJar(cmd, a.baseURL, session, file)
	}
	pair := session.Cookie().Name + "=" + cookieValue(session.Cookie())
	if cmd.Bool("json") {
		return writeJSON(cmd, map[string]string{"cookie": pair})
	}
	return write(cmd, pair)
}

// jarHeader is the first line of a cookie jar. curl writes another one, but begins it in the same way.
const jarHeader = "# Netscape HTTP Cookie File"

// isJar matches the first line of a cookie jar.
var isJar = regexp.MustCompile(`^# (Netscape )?HTTP Cookie File`)

// checkJar returns an error if the jar must not be written in place of what is there.
func checkJar(name string) error {
	if name == "" || name == "-" {
		return fmt.Errorf("-file is %q: give the name of a file, such as kalshi.cookies", name)
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(name)); err != nil {
			return fmt.Errorf("-file %s: there is no folder %s", name, filepath.Dir(name))
		}
		return nil
	case err != nil:
		return fmt.Errorf("-file: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("-file %s is not a file: give the name of one, such as kalshi.cookies", name)
	case info.Size() == 0:
		return nil
	}
	file, err := os.Open(name) //nolint:gosec // the user's own file
	if err != nil {
		return fmt.Errorf("-file: %w", err)
	}
	defer func() { _ = file.Close() }() // the file was only read
	if line := bufio.NewScanner(file); !line.Scan() || !isJar.MatchString(line.Text()) {
		return fmt.Errorf("-file %s has something else than cookies: give another name, or remove it", name)
	}
	return nil
}

// writeJar writes the session's cookie to a file for curl -b.
func writeJar(cmd *cli.Command, baseURL string, session *kalshiauth.Session, file string) error {
	line, err := jarLine(baseURL, session)
	if err != nil {
		return err
	}
	if path, err := filepath.EvalSymlinks(file); err == nil {
		file = path
	}
	if err := replaceFile(file, jarHeader+"\n"+line+"\n"); err != nil {
		return fmt.Errorf("-file: %w", err)
	}
	if cmd.Bool("json") {
		return writeJSON(cmd, map[string]string{"file": file})
	}
	return write(cmd, fmt.Sprintf("The cookie is in %s, which is as secret as a password: curl -b %s %s/...",
		file, file, baseURL))
}

// jarLine returns a line of a cookie jar in the Netscape format: domain, whether it includes subdomains, path, whether
// it is for https only, expiry in Unix time or 0, name, value.
func jarLine(baseURL string, session *kalshiauth.Session) (string, error) {
	base, err := url.Parse(baseURL)
	if err != nil {
		return "", fmt.Errorf("-base-url: %w", err)
	}
	c := session.Cookie()
	domain, subdomains := strings.ToLower(base.Hostname()), "FALSE"
	if given := strings.ToLower(strings.TrimPrefix(c.Domain, ".")); given != "" && strings.HasSuffix(domain, "."+given) ||
		given == domain && strings.Trim(domain, "0123456789.:") != "" {
		domain, subdomains = "."+given, "TRUE"
	}
	path := c.Path
	if !strings.HasPrefix(path, "/") { // RFC 6265, section 5.1.4: the folder of the log-in's path
		path = "/" + strings.Trim(base.EscapedPath(), "/")
	}
	secure := "FALSE"
	if c.Secure || base.Scheme == "https" { // a session of an https server is for https, whatever the server said
		secure = "TRUE"
	}
	var expiry int64
	if !session.Expiry.IsZero() {
		expiry = session.Expiry.Unix()
	}
	prefix := ""
	if c.HttpOnly {
		prefix = "#HttpOnly_"
	}
	return prefix + strings.Join([]string{
		domain, subdomains, path, secure, strconv.FormatInt(expiry, 10), c.Name, cookieValue(c),
	}, "\t"), nil
}

// cookieValue returns the value of a cookie as in a request.
func cookieValue(c *http.Cookie) string {
	if c.Quoted || strings.ContainsAny(c.Value, " ,") {
		return `"` + c.Value + `"`
	}
	return c.Value
}

// loggedIn returns the account and its stored session. An expired session is an error.
func loggedIn(ctx context.Context, cmd *cli.Command) (*account, *kalshiauth.Session, error) {
	a, err := newAccount(cmd)
	if err != nil {
		return nil, nil, err
	}
	session, err := a.store.Load(ctx)
	if err != nil {
		return nil, nil, storeError{err}
	}
	if !session.Valid() {
		return nil, nil, fmt.Errorf("%w: that of %s ended at %s", kalshiauth.ErrNoSession, a.email,
			session.Expiry.Format(time.RFC3339))
	}
	return a, session, nil
}
