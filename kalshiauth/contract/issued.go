package contract

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"
)

// issued are the secrets that the server has given out, in this order.
type issued struct {
	tokens, codes []string
	used          []string // codes
}

// enough is how many secrets show whether one can be guessed from the others.
const enough = 3

// unguessable checks the tokens of log-ins.
func unguessableTokens(ctx context.Context, r *runner) error {
	for range enough {
		if len(r.issued.tokens) >= enough {
			break
		}
		if _, err := r.login(ctx, r.main); err != nil {
			return err
		}
	}
	if bits := entropy(r.issued.tokens); bits < minBits {
		return fmt.Errorf("not more than %.0f bits of them change", bits)
	}
	return r.guess(r.issued.tokens)
}

// unguessableCodes checks the codes of mails.
func unguessableCodes(ctx context.Context, r *runner) error {
	for range enough {
		if len(r.issued.codes) >= enough {
			break
		}
		if _, err := r.mail(ctx, r.main); err != nil {
			return err
		}
	}
	return r.guess(r.issued.codes)
}

// guess returns how somebody who knows some secrets could guess the next one. What the server derives from the
// account is the same in all of them.
func (r *runner) guess(secrets []string) error {
	if len(secrets) < enough {
		return skipError("there are too few to compare")
	}
	for i, secret := range secrets {
		if slices.Contains(secrets[:i], secret) {
			return errors.New("two of them are the same")
		}
	}
	for _, decode := range []func(string) ([]byte, error){hex.DecodeString, fromBase64} {
		if numbers := bigEndian(secrets, decode); numbers != nil && timing(numbers) {
			return errors.New("they tell the time")
		}
	}
	if !slices.ContainsFunc(secrets, func(s string) bool { return !unsigned(s) }) {
		return errors.New("they are JSON web tokens without a signature")
	}
	for _, read := range encodings {
		plain := make([]string, len(secrets))
		for i, secret := range secrets {
			text, ok := read(secret)
			if !ok {
				plain = nil
				break
			}
			plain[i] = text
		}
		if plain == nil {
			continue
		}
		if err := guessTexts(plain); err != nil {
			return err
		}
	}
	return nil
}

// encodings read a secret that may be encoded.
var encodings = []func(string) (string, bool){
	func(s string) (string, bool) { return s, true },
	func(s string) (string, bool) { return readable(hex.DecodeString(s)) },
	func(s string) (string, bool) { return readable(fromBase64(s)) },
}

func fromBase64(s string) ([]byte, error) {
	plain := strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(s)
	return base64.RawURLEncoding.DecodeString(plain) //nolint:wrapcheck // only whether there is one matters
}

// bigEndian returns the numbers that encoded texts hold, or nil.
func bigEndian(texts []string, decode func(string) ([]byte, error)) (all []*big.Int) {
	for _, t := range texts {
		data, err := decode(t)
		if err != nil || len(data) > 8 {
			return nil
		}
		all = append(all, new(big.Int).SetBytes(data))
	}
	return all
}

// readable returns data that is text, and not random or a short number that could be read so by chance.
func readable(data []byte, err error) (text string, ok bool) {
	const short = 6
	isText := !bytes.ContainsFunc(data, func(r rune) bool { return r < ' ' || r > '~' })
	return string(data), err == nil && len(data) >= short && isText
}

// unsigned reports whether a secret is a JSON web token that anybody can make.
func unsigned(secret string) bool {
	head, _, _ := strings.Cut(secret, ".")
	var header struct {
		Algorithm string `json:"alg"`
	}
	data, err := fromBase64(head)
	return err == nil && json.Unmarshal(data, &header) == nil && strings.EqualFold(header.Algorithm, "none")
}

func isTime(text string) bool {
	_, err := time.Parse(time.RFC3339, text)
	return err == nil
}

// guessTexts returns how the next text could be guessed.
func guessTexts(texts []string) error {
	if changing(texts) < 4 {
		return errors.New("they differ in a few characters only")
	}
	if !slices.ContainsFunc(texts, func(t string) bool { return !isTime(t) }) {
		return errors.New("they tell the time")
	}
	for _, form := range fieldForms {
		if columns := columnsOf(texts, form); columns != nil && !slices.ContainsFunc(columns, unexplained) {
			return errors.New("they count, or tell the time")
		}
	}
	return nil
}

// minBits is how many bits of a token must change at least from one log-in to the next. OWASP asks for 64; what is
// measured here is not exact.
const minBits = 56

// entropy returns how many bits at most change from one text to the next.
func entropy(texts []string) float64 {
	signs := map[rune]bool{}
	for _, char := range strings.Join(texts, "") {
		signs[char] = true
	}
	return float64(changing(texts)) * math.Log2(float64(len(signs)))
}

// changing returns the length of the longest text without what all texts have in common at both ends.
func changing(texts []string) int {
	shortest := slices.MinFunc(texts, func(a, b string) int { return len(a) - len(b) })
	longest := slices.MaxFunc(texts, func(a, b string) int { return len(a) - len(b) })
	all := func(has func(s, part string) bool, part string) bool {
		return !slices.ContainsFunc(texts, func(t string) bool { return !has(t, part) })
	}
	begin, end := len(shortest), len(shortest)
	for !all(strings.HasPrefix, shortest[:begin]) {
		begin--
	}
	for end > len(shortest)-begin || !all(strings.HasSuffix, shortest[len(shortest)-end:]) {
		end--
	}
	return len(longest) - begin - end
}

// fieldForms are what the parts of a text look like that may be numbers.
var fieldForms = []*regexp.Regexp{regexp.MustCompile(`[A-Za-z0-9]+`), regexp.MustCompile(`\d+`)}

// columnsOf returns the fields of the texts, the first ones of all texts first. It returns nil unless the rest of the
// texts is the same.
func columnsOf(texts []string, form *regexp.Regexp) (columns [][]string) {
	for i, text := range texts {
		if form.ReplaceAllString(text, "#") != form.ReplaceAllString(texts[0], "#") {
			return nil
		}
		for j, field := range form.FindAllString(text, -1) {
			if i == 0 {
				columns = append(columns, nil)
			}
			columns[j] = append(columns[j], field)
		}
	}
	return columns
}

// unexplained reports whether fields are neither the same nor numbers that count or tell the time.
func unexplained(fields []string) bool {
	if len(slices.Compact(slices.Clone(fields))) == 1 {
		return false
	}
	for _, base := range []int{10, 16, 36} {
		if numbers := numbersOf(fields, base); numbers != nil && (counting(fields, numbers, base) || timing(numbers)) {
			return false
		}
	}
	return true
}

// numbersOf returns the texts as numbers, or nil.
func numbersOf(texts []string, base int) (all []*big.Int) {
	for _, t := range texts {
		n, ok := new(big.Int).SetString(t, base)
		if !ok {
			return nil
		}
		all = append(all, n)
	}
	return all
}

// counting reports whether each number is close to the one before, for its number of digits.
func counting(texts []string, numbers []*big.Int, base int) bool {
	width := len(slices.MaxFunc(texts, func(a, b string) int { return len(a) - len(b) }))
	near := math.Min(1000, math.Max(1, math.Pow(float64(base), float64(width))/1000))
	for i := 1; i < len(numbers); i++ {
		if d := new(big.Int).Sub(numbers[i], numbers[i-1]); d.CmpAbs(big.NewInt(int64(near))) > 0 {
			return false
		}
	}
	return true
}

// timing reports whether each number is a time of these days, in seconds or parts of it.
func timing(numbers []*big.Int) bool {
	now := time.Now()
	units := []int64{now.Unix(), now.UnixMilli(), now.UnixMicro(), now.UnixNano()}
	return !slices.ContainsFunc(numbers, func(n *big.Int) bool {
		return !slices.ContainsFunc(units, func(t int64) bool {
			return n.IsInt64() && math.Abs(float64(t-n.Int64())/float64(t)) < 1e-4
		})
	})
}
