// Package gen holds the client that oapi-codegen generates from api/openapi.yaml.
//
// Use package kalshiauth instead, unless you need the bare client: this one follows redirects with the password, reads
// bodies without limit, and puts the reset code in error texts.
package gen

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen -config client.yaml ../api/openapi.yaml
