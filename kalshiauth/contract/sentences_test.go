package contract_test

import (
	"regexp"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v3"

	"github.com/kalshiauth/kalshiauth-go/api"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

// promises are the sentences of the document that promise something, and checks that fail if the promise is broken.
var promises = map[string][]string{
	"Models are open: a receiver accepts fields that it does not know.": {
		"Login.right.extra", "ResetPassword.right.extra", "ResetPasswordConfirm.right.forms",
	},
	"Exchanges an e-mail address and a password for a session.":                        {"Login.right", "Login.unknown", "Login.wrong.cut"},
	"The access token comes in the body, and is set on the cookie `sessions` as well.": {"Login.right"},
	"Without them no log-in can succeed, so the body is required.":                     {"Login.body.missing"},
	"Sets the cookie `sessions` to the access token.":                                  {"Login.right"},
	"Ends the session that is presented.":                                              {"Logout.cookie.ends", "Logout.cookie.ends-one"},
	"The session cannot be used any more.":                                             {"Logout.cookie.ends", "Logout.authorization.ends"},
	"Sends an e-mail with a link to the owner of the account.":                         {"ResetPassword.right"},
	"The link carries a verification code and, as a query parameter, the user ID; both are needed to confirm the reset.": {
		"ResetPasswordConfirm.right", "ResetPasswordConfirm.code.user", "ResetPasswordConfirm.known.unknown",
	},
	"Nothing can be mailed without it, so the body is required.":                     {"ResetPassword.body.missing"},
	"The user is e-mailed a link.":                                                   {"ResetPassword.right"},
	"Sets a new password, on presentation of the verification code from the e-mail.": {changes, "ResetPasswordConfirm.known.unknown"},
	"Every session of the account is ended by that.":                                 {changes, "ResetPasswordConfirm.changes.other"},
	"The verification code from the e-mail.":                                         {"ResetPasswordConfirm.unknown", "ResetPasswordConfirm.code.cut"},
	"Nothing can be set without them, so the body is required.":                      {"ResetPasswordConfirm.body.missing"},
	"The password is set.":                                                           {changes},
	"The cookie that a log-in sets.":                                                 {"Login.right", "Logout.right.usual.cookie"},
	"This is how a browser presents the session.":                                    {"Login.right", "Logout.right.cookies.cookie"},
	"The access token of a log-in, bare or behind a scheme such as `Bearer`.": {
		"Logout.right.usual.authorization", "Logout.right.prefix.authorization",
	},
	"The request is malformed, or asks for something that cannot be done.": {"Login.body.malformed", "ResetPasswordConfirm.unknown"},
	"The credentials are wrong, or the session is missing or has ended.":   {"Login.wrong.cut", "Logout.session.none", "Logout.cookie.ends"},
	"A new session.": {"Login.fixation"},
	"The user's ID, needed by every later call below `/users/{user_id}`.": {"Login.user-id"},
	"The access token, which the cookie `sessions` holds as well.":        {"Login.right"},
	"The user's ID, a query parameter of the e-mailed link.":              {"ResetPassword.right", "ResetPasswordConfirm.right"},
	"The new password.": {changes},
	"The body of an error response: a `JSONError`, or one in a field `error`, as later versions of the API send it.": {"Login.wrong.cut"},
}

// names are the sentences that say what something is, and promise nothing that another one does not.
var names = `
The four operations with which a program obtains, ends and recovers a Kalshi session: log in, log out, request a password reset, confirm it.
This document describes what is known of version 1 of the API, in our own words.
It is the source from which the Go client is generated and against which servers are checked.
Production
Demo
Sessions and passwords.
Log in
The account's credentials.
Logged in.
Log out
Logged out.
Request a password reset
Whose password to reset.
Accepted.
Confirm a password reset
Whose password to set, and to what.
The ` + "`code`" + ` of the error.
The ` + "`message`" + ` of the error.
The ` + "`details`" + ` of the error.
The ` + "`service`" + ` of the error.
The account may not do this.
The server failed.
The service cannot be reached at the moment.
Credentials of an account.
The account's e-mail address.
The account's password.
Limits what an applicant may do.
The set of levels is open.
A generic structure for error responses.
No field is required.
A short name of the error, for programs.
What went wrong, for people.
More about what went wrong.
The part of the provider that reports the error.
The same four fields may come as response headers instead.
`

var sentenceEnd = regexp.MustCompile(`([.!?])\s+`)

// sentences returns those of all descriptions in a document.
func sentences(node any) (all []string) {
	switch node := node.(type) {
	case map[string]any:
		for name, value := range node {
			text, isText := value.(string)
			if isText && (name == "description" || name == "summary") {
				text = strings.Join(strings.Fields(text), " ")
				all = append(all, strings.Split(sentenceEnd.ReplaceAllString(text, "$1\n"), "\n")...)
				continue
			}
			all = append(all, sentences(value)...)
		}
	case []any:
		for _, value := range node {
			all = append(all, sentences(value)...)
		}
	}
	return all
}

func TestEachPromiseOfTheDocumentHasACheck(t *testing.T) {
	t.Parallel()
	var doc map[string]any
	if err := yaml.Unmarshal(api.Document, &doc); err != nil {
		t.Fatal(err)
	}
	checks := map[string]bool{}
	for _, c := range contract.Plan(nil) {
		checks[c.ID] = true
	}
	in := map[string]bool{}
	for _, sentence := range sentences(doc) {
		in[sentence] = true
		if promises[sentence] == nil && !strings.Contains(names, "\n"+sentence+"\n") {
			t.Errorf("%q has no check: add one, and name it in promises", sentence)
		}
	}
	for sentence, ids := range promises {
		if !in[sentence] {
			t.Errorf("%q is not in the document", sentence)
		}
		for _, id := range ids {
			if !checks[id] {
				t.Errorf("%q: there is no check %s", sentence, id)
			}
		}
	}
	for sentence := range strings.SplitSeq(strings.TrimSpace(names), "\n") {
		if !in[sentence] {
			t.Errorf("%q is not in the document", sentence)
		}
	}
}
