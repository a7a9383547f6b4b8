package document_test

import (
	"slices"
	"testing"
)

func TestInputsAreThoseOfTheBodyAndTheParameters(t *testing.T) {
	t.Parallel()
	const fields = `
openapi: 3.0.3
info: {title: Inputs, version: "1"}
paths:
  /users/{user}:
    parameters:
      - {name: user, in: path, required: true, schema: {type: string}}
      - {name: dry, in: query, schema: {type: boolean}}
    put:
      operationId: Put
      parameters:
        - {name: dry, in: query, required: true, schema: {type: string}}
        - {name: filter, in: query, content: {application/json: {schema: {type: object}}}}
      requestBody:
        content:
          application/json:
            schema:
              allOf:
                - $ref: '#/components/schemas/Thing'
                - {type: object, properties: {note: {type: string}}}
      responses: {'204': {description: OK}}
    delete:
      responses: {'204': {description: OK}}
components:
  schemas:
    ID: {type: integer}
    Thing: {type: object, required: [name], properties: {id: {$ref: '#/components/schemas/ID'}, name: {type: string}}}
`
	const put = "#/paths/~1users~1{user}/put"
	for id, want := range map[string][][6]string{
		"Put": {
			{"id", "body", "integer", "#/components/schemas/ID", "", "Thing.id"},
			{
				"name", "body", "string", "#/components/schemas/Thing/properties/name", "#/components/schemas/Thing/required",
				"Thing.name",
			},
			{"note", "body", "string", put + "/requestBody/content/application~1json/schema/allOf/1/properties/note", "", "Put.note"},
			{"dry", "query", "string", put + "/parameters/0/schema", put + "/parameters/0/required", "Put.dry"},
			{"filter", "query", "", put + "/parameters/1/schema", "", "Put.filter"},
			{
				"user", "path", "string", "#/paths/~1users~1{user}/parameters/0/schema",
				"#/paths/~1users~1{user}/parameters/0/required", "Put.user",
			},
		},
		"DELETE /users/{user}": {
			{
				"user", "path", "string", "#/paths/~1users~1{user}/parameters/0/schema",
				"#/paths/~1users~1{user}/parameters/0/required", "DELETE /users/{user}.user",
			},
			{"dry", "query", "boolean", "#/paths/~1users~1{user}/parameters/1/schema", "", "DELETE /users/{user}.dry"},
		},
	} {
		var got [][6]string
		for _, in := range load(t, []byte(fields)).Operation(id).Inputs() {
			typ := ""
			if in.Schema.Type != nil {
				typ = in.Schema.Type.Slice()[0]
			}
			got = append(got, [6]string{in.Name, in.In, typ, in.Rule, in.Required, in.Place})
		}
		if !slices.Equal(got, want) {
			t.Errorf("the inputs of %s are\n%q, want\n%q", id, got, want)
		}
	}
}
