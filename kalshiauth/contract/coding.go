package contract

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// decoders read the content codings that clients ask for.
var decoders = map[string]func(io.Reader) (io.Reader, error){
	"gzip":   func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	"x-gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	"br":     func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
	"zstd": func(r io.Reader) (io.Reader, error) {
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxDecoder))
		if err != nil {
			return nil, err //nolint:wrapcheck // decoded has a text of its own
		}
		return d.IOReadCloser(), nil
	},
	"deflate": func(r io.Reader) (io.Reader, error) {
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, err //nolint:wrapcheck // decoded has a text of its own
		}
		if d, err := zlib.NewReader(bytes.NewReader(data)); err == nil {
			return d, nil
		}
		return flate.NewReader(bytes.NewReader(data)), nil // as some servers understand it
	},
}

// maxDecoder is how many bytes a decoder may use.
const maxDecoder = 8 << 20

// codingsOf returns the content codings of a body, in the order in which they were applied.
func codingsOf(header http.Header) (codings []string) {
	for coding := range strings.SplitSeq(strings.Join(header["Content-Encoding"], ","), ",") {
		if coding = strings.ToLower(strings.TrimSpace(coding)); coding != "" && coding != "identity" {
			codings = append(codings, coding)
		}
	}
	return codings
}

// accepts reports whether an Accept-Encoding header asks for a content coding. What it says of the coding itself counts
// for more than what it says of "*".
func accepts(header http.Header, coding string) bool {
	wildcard := false
	for item := range strings.SplitSeq(strings.Join(header["Accept-Encoding"], ","), ",") {
		name, parameter, _ := strings.Cut(strings.ToLower(item), ";")
		name = strings.TrimSpace(name)
		weight, isWeight := strings.CutPrefix(strings.ReplaceAll(parameter, " ", ""), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		wanted := !isWeight || err != nil || q > 0
		if name == coding || "x-"+name == coding || name == "x-"+coding {
			return wanted
		}
		wildcard = wildcard || name == "*" && wanted
	}
	return wildcard
}

// unasked returns what is wrong if one of the content codings was not asked for.
func unasked(codings []string, asked func(coding string) bool) (problem string) {
	for _, coding := range codings {
		if !asked(coding) {
			return "a content coding that the request did not ask for"
		}
	}
	return ""
}

// decoded returns a body without its content codings, or what is wrong with them. Of a body that is not whole, it
// decodes what is there: a complete JSON value counts as the whole body.
func decoded(header http.Header, b body, asked func(coding string) bool) (plain body, problem string) {
	codings := codingsOf(header)
	if len(codings) == 0 || len(b.data) == 0 && !b.long {
		return b, ""
	}
	if problem := unasked(codings, asked); problem != "" {
		return body{}, problem
	}
	for i := range codings {
		coding := codings[len(codings)-1-i]
		decoder := decoders[coding]
		if decoder == nil {
			return body{}, "an unknown content coding"
		}
		if b.long {
			return body{long: true}, ""
		}
		data, err := decode(decoder, b.data, b.limit())
		switch {
		case err != nil && b.whole:
			return body{}, "the body does not have its content coding, " + coding
		case len(data) > b.limit():
			return body{long: true}, ""
		}
		b.data = data
	}
	b.whole = b.whole || json.Valid(b.data)
	return b, ""
}

// decode returns what it could decode, at most one byte more than limit, and an error if that is not all.
func decode(decoder func(io.Reader) (io.Reader, error), data []byte, limit int) ([]byte, error) {
	r, err := decoder(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if closer, ok := r.(io.Closer); ok {
		err = errors.Join(err, closer.Close())
	}
	return plain, err
}
