// Command nethttp logs in with net/http alone.
package main

import (
	"net/http"
	"os"
	"strings"
)

func main() {
	body := strings.NewReader(os.Args[2])
	resp, err := http.Post(os.Args[1]+"/log_in", "application/json", body) //nolint:gosec,noctx // as small as can be
	if err != nil {
		panic(err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = os.Stdout.WriteString(resp.Status)
}
