package contract

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/document"
)

// How many bytes of a body are checked.
const (
	maxBody      = 64 << 10 // of an operation of this module
	maxOtherBody = 1 << 20  // of another operation
)

// A body is what was captured of a body.
type body struct {
	data  []byte
	whole bool // data is the complete body
	long  bool // the body is longer than max
	max   int  // how many bytes of it are checked; 0: maxBody
}

func (b *body) limit() int { return cmp.Or(b.max, maxBody) }

// newCapture returns a capture of a body of an operation, which may be nil. length is that of the body; -1: not known.
func newCapture(op *document.Operation, length int64) *capture {
	limit := maxBody
	if op != nil && !isOurs(op) {
		limit = maxOtherBody
	}
	return &capture{length: length, max: limit}
}

// A capture keeps what is read or written of a body.
type capture struct {
	length int64 // -1: not known
	max    int   // how many bytes to keep

	mu    sync.Mutex // guards the fields below; net/http may read a request after its response
	data  []byte
	long  bool
	ended bool
}

func (c *capture) write(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.data)+len(p) > c.max {
		c.data, c.long = nil, true
	}
	if !c.long {
		c.data = append(c.data, p...)
	}
}

// end marks the body as complete.
func (c *capture) end() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
}

// body returns what was captured so far. A complete JSON value counts as the whole body, since json.Decoder does not
// read to the end.
func (c *capture) body() body {
	c.mu.Lock()
	defer c.mu.Unlock()
	whole := c.ended || c.length == int64(len(c.data)) || json.Valid(c.data)
	return body{data: c.data, whole: whole && !c.long, long: c.long, max: c.max}
}

// A capturedBody copies what is read from a body to a capture.
type capturedBody struct {
	io.ReadCloser

	capture *capture
	end     func() // called at the end of the body, maybe more than once
}

func (b *capturedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.capture.write(p[:n])
	if err != nil {
		if errors.Is(err, io.EOF) {
			b.capture.end()
		}
		b.end()
	}
	return n, err //nolint:wrapcheck // the reader's, unchanged
}

func (b *capturedBody) Close() error {
	err := b.ReadCloser.Close()
	b.end()
	return err //nolint:wrapcheck // the reader's, unchanged
}
