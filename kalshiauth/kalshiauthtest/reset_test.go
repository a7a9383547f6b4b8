package kalshiauthtest_test

import (
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

func TestResetMailsACodeAndALink(t *testing.T) {
	t.Parallel()
	var mailed []kalshiauthtest.Mail
	srv, user := newServer(t, kalshiauthtest.WithMailer(func(m kalshiauthtest.Mail) { mailed = append(mailed, m) }))
	got := send(t, srv, "POST", "/passwords/reset", `{"email":"trader@example.com"}`, jsonType)
	wantEmpty(t, got, http.StatusAccepted)
	outbox := srv.Outbox()
	if len(outbox) != 1 || !reflect.DeepEqual(mailed, outbox) {
		t.Fatalf("the outbox is %v, and the mailer got %v, want one mail", outbox, mailed)
	}
	mail := outbox[0]
	if mail.Email != email || mail.UserID != user.ID || mail.Code == "" {
		t.Errorf("the mail is %+v, want a code for %+v", mail, user)
	}
	link, err := url.Parse(mail.Link)
	if err != nil || !strings.HasSuffix(link.Path, "/"+mail.Code) || link.Query().Get("user_id") != user.ID {
		t.Errorf("the link is %q, want one with code and user_id", mail.Link)
	}
	outbox[0].Code = "changed"
	if srv.Outbox()[0] != mail {
		t.Error("Outbox is not a copy")
	}
}

func TestResetOfAnUnknownEmailIs202WithoutMail(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t, kalshiauthtest.WithMailer(func(kalshiauthtest.Mail) { t.Error("a mail was sent") }))
	got := send(t, srv, "POST", "/passwords/reset", `{"email":"nobody@example.com"}`, jsonType)
	wantEmpty(t, got, http.StatusAccepted)
	if outbox := srv.Outbox(); len(outbox) != 0 {
		t.Errorf("the outbox is %v, want none", outbox)
	}
}

func TestMailerMayAskTheServer(t *testing.T) {
	t.Parallel()
	var srv *kalshiauthtest.Server
	srv, _ = newServer(t, kalshiauthtest.WithMailer(func(kalshiauthtest.Mail) {
		if len(srv.Outbox()) != 1 {
			t.Error("the mail is not in the outbox")
		}
		srv.ExpireSessions()
	}))
	resetCode(t, srv, email)
}

func TestMalformedResetIs400(t *testing.T) {
	t.Parallel()
	cases := maps.Clone(malformed)
	cases["no e-mail address"] = `{"email":"trader@"}`
	srv, _ := newServer(t)
	for name, body := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantError(t, send(t, srv, "POST", "/passwords/reset", body, jsonType), http.StatusBadRequest)
			if outbox := srv.Outbox(); len(outbox) != 0 {
				t.Errorf("the outbox is %v, want none", outbox)
			}
		})
	}
	wantError(t, send(t, srv, "POST", "/passwords/reset", `{"email":"trader@example.com"}`), http.StatusBadRequest)
}

func TestConfirmSetsThePasswordAndEndsTheSessionsOfThatUser(t *testing.T) {
	t.Parallel()
	srv, user := newServer(t)
	whoami(srv)
	srv.AddUser("other@example.com", password)
	tokens := []string{session(t, srv), session(t, srv)}
	wantStatus(t, login(t, srv, "other@example.com", password), http.StatusOK)
	mail := resetCode(t, srv, email)
	wantSessions(t, srv, 3) // asking for a reset ends nothing
	wantStatus(t, login(t, srv, email, password), http.StatusOK)

	wantEmpty(t, confirm(t, srv, mail.Code, user.ID, newPassword), http.StatusNoContent)
	wantSessions(t, srv, 1) // the other user's
	for _, token := range tokens {
		wantError(t, send(t, srv, "GET", "/whoami", "", "Authorization: "+token), http.StatusUnauthorized)
	}
	wantError(t, login(t, srv, email, password), http.StatusUnauthorized)
	wantStatus(t, login(t, srv, email, newPassword), http.StatusOK)
	wantStatus(t, login(t, srv, "other@example.com", password), http.StatusOK)
}

func TestConfirmVoidsAllCodesOfThatUser(t *testing.T) {
	t.Parallel()
	srv, user := newServer(t)
	other := srv.AddUser("other@example.com", password)
	first, second := resetCode(t, srv, email), resetCode(t, srv, email)
	others := resetCode(t, srv, other.Email)
	wantStatus(t, confirm(t, srv, first.Code, user.ID, newPassword), http.StatusNoContent)
	wantError(t, confirm(t, srv, first.Code, user.ID, password), http.StatusBadRequest)
	wantError(t, confirm(t, srv, second.Code, user.ID, password), http.StatusBadRequest)
	wantStatus(t, login(t, srv, email, newPassword), http.StatusOK)
	wantStatus(t, confirm(t, srv, others.Code, other.ID, newPassword), http.StatusNoContent)
}

func TestCodesAreGoodForTheirUserOnlyAndNotSpentByMistakes(t *testing.T) {
	t.Parallel()
	srv, user := newServer(t)
	other := srv.AddUser("other@example.com", password)
	code := resetCode(t, srv, email).Code
	for name, got := range map[string]answer{
		"wrong code":        confirm(t, srv, "4fzyo82myh", user.ID, newPassword),
		"code of dots":      confirm(t, srv, "%2E%2E", user.ID, newPassword),
		"code with a slash": confirm(t, srv, "a%2Fb", user.ID, newPassword),
		"lower case":        confirm(t, srv, strings.ToLower(code), user.ID, newPassword),
		"other's user ID":   confirm(t, srv, code, other.ID, newPassword),
		"no user ID":        confirm(t, srv, code, "", newPassword),
		"short password":    confirm(t, srv, code, user.ID, short),
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, got, http.StatusBadRequest)
			if text := got.body + got.header.Get("details"); strings.Contains(text, code) {
				t.Errorf("the error shows the code: %s", text)
			}
		})
	}
	wantStatus(t, login(t, srv, email, password), http.StatusOK)
	wantStatus(t, confirm(t, srv, code, strings.ToUpper(user.ID), newPassword), http.StatusNoContent)
}

func TestMalformedConfirmIs400(t *testing.T) {
	t.Parallel()
	srv, user := newServer(t)
	mail := resetCode(t, srv, email)
	path := "/passwords/reset/" + mail.Code + "/confirm"
	for name, body := range malformed {
		t.Run(name, func(t *testing.T) {
			wantError(t, send(t, srv, "PUT", path, body, jsonType), http.StatusBadRequest)
		})
	}
	good := `{"user_id":"` + user.ID + `","password":"battery staple"}`
	wantError(t, send(t, srv, "PUT", path, good+"]", jsonType), http.StatusBadRequest)
	wantError(t, send(t, srv, "PUT", path, good, "Content-Type: text/json"), http.StatusBadRequest)
	wantEmpty(t, send(t, srv, "PUT", path, good, jsonType), http.StatusNoContent)
}

// encoding/json takes "Password" for "password", but the document does not check it.
func TestAFieldInAnotherCaseIsUnknown(t *testing.T) {
	t.Parallel()
	srv, user := newServer(t)
	path := "/passwords/reset/" + resetCode(t, srv, email).Code + "/confirm"
	wantError(t, send(t, srv, "PUT", path, `{"user_id":"`+user.ID+`","Password":"battery staple"}`, jsonType), http.StatusBadRequest)
	body := `{"user_id":"` + user.ID + `","password":"battery staple","Password":"` + short + `","USER_ID":1}`
	wantEmpty(t, send(t, srv, "PUT", path, body, jsonType), http.StatusNoContent)
	wantStatus(t, login(t, srv, email, newPassword), http.StatusOK)
}

func TestCodesExpire(t *testing.T) {
	t.Parallel()
	for lifetime, opts := range map[time.Duration][]kalshiauthtest.Option{
		time.Hour:   nil,
		time.Minute: {kalshiauthtest.WithCodeLifetime(time.Minute)},
	} {
		clock := newClock()
		srv, user := newServer(t, append(opts, kalshiauthtest.WithClock(clock.now))...)
		early := resetCode(t, srv, email)
		clock.advance(1)
		late := resetCode(t, srv, email)
		clock.advance(lifetime - 1)
		wantError(t, confirm(t, srv, early.Code, user.ID, newPassword), http.StatusBadRequest)
		wantStatus(t, confirm(t, srv, late.Code, user.ID, newPassword), http.StatusNoContent)
	}
}

func TestACodeIsSpentOnceHoweverManyConfirm(t *testing.T) {
	t.Parallel()
	srv, user := newServer(t)
	code := resetCode(t, srv, email).Code
	statuses := make(chan int, 20)
	var wg sync.WaitGroup
	for range cap(statuses) {
		wg.Go(func() { statuses <- confirm(t, srv, code, user.ID, newPassword).status })
	}
	wg.Wait()
	close(statuses)
	count := map[int]int{}
	for status := range statuses {
		count[status]++
	}
	if want := map[int]int{204: 1, 400: 19}; !reflect.DeepEqual(count, want) {
		t.Errorf("the answers are %v, want %v", count, want)
	}
}
