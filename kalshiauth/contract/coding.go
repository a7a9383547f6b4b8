package contract

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
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
	if header["Content-Encoding"] == nil {
		return nil
	}
	for coding := range strings.SplitSeq(strings.Join(header["Content-Encoding"], ","), ",") {
		if coding = strings.ToLower(strings.TrimSpace(coding)); coding != "" && coding != "identity" {
			codings = append(codings, coding)
		}
	}
	return codings
}

// accepts reports whether an Accept-Encoding header asks for a content coding.
func accepts(header http.Header, coding string) bool {
	for item := range strings.SplitSeq(strings.Join(header["Accept-Encoding"], ","), ",") {
		name, parameter, _ := strings.Cut(item, ";")
		if name = strings.ToLower(strings.TrimSpace(name)); name != coding && name != "*" && "x-"+name != coding {
			continue
		}
		weight, isWeight := strings.CutPrefix(strings.TrimSpace(parameter), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		return !isWeight || err != nil || q > 0
	}
	return false
}

// decoded returns a body without its content codings, or what is wrong with them. A body that is not known as a whole
// is not known without its codings either.
func decoded(header http.Header, b body, asked func(coding string) bool) (plain body, problem string) {
	codings := codingsOf(header)
	if len(codings) == 0 || len(b.data) == 0 && !b.long {
		return b, ""
	}
	for i := range codings {
		coding := codings[len(codings)-1-i]
		decoder := decoders[coding]
		switch {
		case !asked(coding):
			return body{}, "a content coding that the request did not ask for"
		case decoder == nil:
			return body{}, "an unknown content coding"
		case !b.whole:
			return body{long: b.long}, ""
		}
		data, err := decode(decoder, b.data)
		if err != nil {
			return body{}, "the body does not have its content coding, " + coding
		}
		if b.data = data; len(data) > maxBody {
			return body{long: true}, ""
		}
	}
	return b, ""
}

func decode(decoder func(io.Reader) (io.Reader, error), data []byte) ([]byte, error) {
	r, err := decoder(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	if closer, ok := r.(io.Closer); ok {
		err = errors.Join(err, closer.Close())
	}
	return plain, err
}
