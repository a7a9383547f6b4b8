package contract

import (
	"encoding/json"
	"errors"
	"io"
	"sync"
)

// maxBody is how much of a body is looked at.
const maxBody = 64 << 10

// body is what is known of a body.
type body struct {
	data  []byte
	whole bool // data is all of it
	long  bool // it is longer than maxBody
}

// capture keeps what passes of a body.
type capture struct {
	length int64 // -1: not known

	mu    sync.Mutex // guards what follows: net/http may read a request after its response
	data  []byte
	long  bool
	ended bool
}

func (c *capture) write(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.data)+len(p) > maxBody {
		c.data, c.long = nil, true
	}
	if !c.long {
		c.data = append(c.data, p...)
	}
}

// end says that all of the body has passed.
func (c *capture) end() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
}

// body returns what has passed so far. A JSON value is whole even if its reader did not wait for the end, as
// json.Decoder does not.
func (c *capture) body() body {
	c.mu.Lock()
	defer c.mu.Unlock()
	whole := c.ended || c.length == int64(len(c.data)) || json.Valid(c.data)
	return body{data: c.data, whole: whole && !c.long, long: c.long}
}

// capturedBody is a body whose reader does not notice that somebody else looks.
type capturedBody struct {
	io.ReadCloser

	capture *capture
	end     func() // called at its end; may be called again
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
