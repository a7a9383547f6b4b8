package kalshiauthtest

import "github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"

// WithDocument has the server check requests against another document than its own.
func WithDocument(data []byte) Option {
	doc, err := document.Load(data)
	if err != nil {
		panic(err)
	}
	return func(s *Server) { s.doc = doc }
}
