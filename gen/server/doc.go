// Package server holds the interface that oapi-codegen generates from api/openapi.yaml for whoever serves the API.
// It is apart from package gen so that clients do not link it.
package server

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen -config server.yaml ../../api/openapi.yaml
