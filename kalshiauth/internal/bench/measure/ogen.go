package main

import (
	"context"
	"errors"
	"net/http"
)

// ogenCalls is a stand-in that always fails. The command in the folder above builds this program with testdata/ogen.go
// in place of this file, and with the client that ogen generates.
func ogenCalls(context.Context, string, *http.Client) (*calls, error) {
	return nil, errors.New("this program has no ogen client: run the command in the folder above")
}
