// Package gen holds the client that oapi-codegen generates from api/openapi.yaml.
//
// Most programs should use package kalshiauth instead. The client in this package follows redirects, even with a
// password in the request. It reads response bodies of any size. Its network errors contain the password reset code.
package gen

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen -config client.yaml ../api/openapi.yaml
