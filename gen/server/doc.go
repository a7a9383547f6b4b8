// Package server holds the interface that oapi-codegen generates from api/openapi.yaml, for servers that implement the
// API. It is separate from package gen, so that programs that only call the API do not link it.
package server

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen -config server.yaml ../../api/openapi.yaml
