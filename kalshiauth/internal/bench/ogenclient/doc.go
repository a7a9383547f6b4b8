// Package ogenclient is what ogen generates from our document, to be compared with kalshiauth.
package ogenclient

// The last line gives the files the names of generated ones, and keeps their first line from being a package comment.

//go:generate sh -c "rm -f *.gen.go"
//go:generate go run github.com/ogen-go/ogen/cmd/ogen@v1.24.0 -loglevel error -config ogen.yml -package ogenclient -target . ../../../../api/openapi.yaml
//go:generate sh -c "for f in oas_*_gen.go; do sed 1G $DOLLAR{f} | gofmt >$DOLLAR{f%_gen.go}.gen.go && rm $DOLLAR{f}; done"
