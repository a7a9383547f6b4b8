package contract_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v3"

	"github.com/kalshiauth/kalshiauth-go/api"
)

// wantRule checks that a JSON pointer leads to something in the document. It follows references.
func wantRule(t *testing.T, rule string) {
	t.Helper()
	wantRuleIn(t, api.Document, rule)
}

func wantRuleIn(t *testing.T, text []byte, rule string) {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if err := resolve(doc, rule); err != nil {
		t.Errorf("the rule %s: %v", rule, err)
	}
}

func resolve(doc any, pointer string) error {
	at := doc
	path, ok := strings.CutPrefix(pointer, "#/")
	if !ok {
		return errors.New("it does not begin with #/")
	}
	tokens := strings.Split(path, "/")
	for i := range tokens {
		token := strings.NewReplacer("~1", "/", "~0", "~").Replace(tokens[i])
		switch node := at.(type) {
		case map[string]any:
			if ref, ok := node["$ref"].(string); ok {
				return resolve(doc, ref+"/"+strings.Join(tokens[i:], "/"))
			}
			if at, ok = node[token]; !ok {
				return fmt.Errorf("there is no %s", token)
			}
		case []any:
			n, err := strconv.Atoi(token)
			if err != nil || n >= len(node) {
				return fmt.Errorf("there is no item %s", token)
			}
			at = node[n]
		default:
			return fmt.Errorf("there is nothing below %s", tokens[max(0, i-1)])
		}
	}
	return nil
}
