// Package api embeds the OpenAPI document of Kalshi's auth API.
package api

import _ "embed"

// Document is the content of api/openapi.yaml, an OpenAPI 3.0.3 document in YAML. Do not modify it.
//
//go:embed openapi.yaml
var Document []byte
