package main

import (
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

// wrongServer is what to do if a server's answers are not the API's. It does not mention the password: such a 401 says
// nothing about it.
const wrongServer = "This server does not speak the API that this program knows: check -base-url."

// movedHost returns what to do if each answer to the checks is a 401 with a line of text, as of a host that has moved.
// Otherwise it returns "".
func movedHost(report *contract.Report) string {
	said := ""
	for _, s := range report.Statuses {
		if s.Seen > 0 && s.Status != strconv.Itoa(http.StatusUnauthorized) {
			return ""
		}
	}
	for i := range report.Checks {
		for j := range report.Checks[i].Exchanges {
			x := &report.Checks[i].Exchanges[j]
			mediaType, _, err := mime.ParseMediaType(x.ResponseHeader.Get("Content-Type"))
			if x.Status != http.StatusUnauthorized || err != nil || mediaType != "text/plain" {
				return ""
			}
			said = strings.TrimSpace(x.ResponseBody)
		}
	}
	if said == "" {
		return ""
	}
	return fmt.Sprintf("the server answers everything with 401 and the text %.*q\n%s", maxQuoted, said, wrongServer)
}

// plainWords returns the text of an error in the words of the command: without the names of Go packages, functions and
// options. It does not change what is quoted, such as a server's message.
func plainWords(text string) string {
	var b strings.Builder
	end := 0
	for _, span := range quotedText.FindAllStringIndex(text, -1) {
		b.WriteString(plainPart(text[end:span[0]], end == 0))
		b.WriteString(text[span[0]:span[1]])
		end = span[1]
	}
	b.WriteString(plainPart(text[end:], end == 0))
	return b.String()
}

// quotedText is a text as %q writes it.
var quotedText = regexp.MustCompile(`"(?:[^"\\\n]|\\.)*"`)

// plainPart is plainWords for a text without quotes. first reports whether an error begins with it.
func plainPart(text string, first bool) string {
	if text = goPhrases.Replace(text); !first {
		text = "\x00" + text // what follows a quote does not begin an error
	}
	for _, r := range goPatterns {
		text = r.pattern.ReplaceAllString(text, r.words)
	}
	for before := ""; before != text; {
		before = text
		text = goPrefix.ReplaceAllStringFunc(text, func(match string) string {
			parts := goPrefix.FindStringSubmatch(match)
			return parts[1] + operationWords[parts[2]]
		})
		text = strings.ReplaceAll(text, "logout: logout: ", "logout: ") //nolint:dupword // on purpose
	}
	return strings.TrimPrefix(text, "\x00")
}

// operationWords are the beginnings of errors of operations.
var operationWords = map[string]string{
	"Login": "login: ", "Logout": "logout: ",
	"ResetPassword": "reset-password: ", "ResetPasswordConfirm": "reset-password-confirm: ",
}

// goPrefix is the name of a Go package or function at the beginning of an error, or of one that it wraps.
var goPrefix = regexp.MustCompile(`(^|: |; |\n|\()((?:` +
	`kalshiauth|autologin|filestore|contract|document|kalshiauthtest|` +
	`net/http|http2?|tls|x509|asn1|json|yaml|url|strconv|time|flag|exec|context|os|net|` +
	`New|Run|HAR|Proxy|Session|Static|Transport|Authorize|ImportSession|Export|` +
	`Login|Logout|ResetPassword|ResetPasswordConfirm)): `)

// goPhrases are what errors say to a Go programmer, and what the command says instead.
var goPhrases = strings.NewReplacer(
	"pass credentials to Login", "give the e-mail address with -email, and no password",
	"allow it with WithInsecureHTTP", "allow it with -insecure-http",
	"WithBaseURL", "-base-url",
	"not written by Export", "not written by this command",
	"this package reads up to", "this command reads up to",
	"update kalshiauth-go", "update it",
	"that Load reads", "that can be read",
	"Session(user ", "the session (user ",
	"context deadline exceeded", "the time for it is over",
	"context canceled", "it was interrupted",
	" (Client.Timeout exceeded while awaiting headers)", "",
)

// commandWords returns a reason in a report in the words of the command. It may name operations of the document, which
// are also the names of Go functions.
func commandWords(reason string) string {
	return goNetwork.ReplaceAllString(goField.ReplaceAllString(reason, "$1$2"), "$1")
}

// goNetwork is how errors of connections begin.
var goNetwork = regexp.MustCompile(`(no answer: )(?:(?:net/http|http|tls|x509|net): )+`)

// goField is a field of contract.Target and what the command has in its place.
var goField = regexp.MustCompile(`(set |allow it with )Target\.\w+ \(the command: (.*?)\)`)

// goPatterns are the same with parts that vary.
var goPatterns = []struct {
	pattern *regexp.Regexp
	words   string
}{
	{goField, "$1$2"},
	{
		regexp.MustCompile(`(?:json: )?cannot unmarshal (.*?) into (?:Go )?(?:value|struct field \S+)(?: of type \S+)?`),
		"$1 is found where something else is expected",
	},
	{regexp.MustCompile(`cannot construct (.*?) into \S+`), "$1 is found where something else is expected"},
}
