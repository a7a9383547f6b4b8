package fakeserver

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"

	"github.com/kalshiauth/kalshiauth-go/api"
)

const documentPath = "/openapi.yaml"

// serversBlock is the list of servers in the document.
var serversBlock = regexp.MustCompile(`(?m)^servers:\n(?:[ -].*\n)+`)

// plainHost is a host that needs no quotes in YAML.
var plainHost = regexp.MustCompile(`^[A-Za-z0-9.-]+(:\d+)?$|^\[[0-9A-Fa-f:.]+\](:\d+)?$`)

// serveDocument serves the document. It names this server, at the address by which the client called, in place of the
// real ones.
func (s *Server) serveDocument(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		writeJSON(w, http.StatusMethodNotAllowed, failure{"the document is read with GET " + documentPath})
		return
	}
	here := s.config.BaseURL
	if plainHost.MatchString(r.Host) {
		here = origin(r) + s.config.Prefix
	}
	servers := fmt.Appendf(nil, "servers:\n  - url: '%s'\n    description: The fake server\n", here)
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(serversBlock.ReplaceAllLiteral(bytes.Clone(api.Document), servers)) //nolint:gosec // a plain host
}
