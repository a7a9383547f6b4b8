package contract_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// TestLogin is an integration test as you may have one: the checker fails it if an exchange breaks the contract, even
// where the program under test does not notice.
func TestLogin(t *testing.T) {
	t.Parallel()
	srv := kalshiauthtest.NewServer()
	t.Cleanup(srv.Close)
	srv.AddUser("trader@example.com", "correct horse")

	checker, err := contract.New(srv.URL, func(v contract.Violation) { t.Error(v) })
	if err != nil {
		t.Fatal(err)
	}
	client, err := kalshiauth.New(
		kalshiauth.WithBaseURL(srv.URL),
		kalshiauth.WithHTTPClient(&http.Client{Transport: checker.Transport(http.DefaultTransport)}),
	)
	if err != nil {
		t.Fatal(err)
	}
	session, err := client.Login(t.Context(), kalshiauth.Credentials{Email: "trader@example.com", Password: "correct horse"})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Logout(t.Context(), session); err != nil {
		t.Error(err)
	}
}

func ExampleChecker_Transport() {
	srv := kalshiauthtest.NewServer()
	defer srv.Close()
	srv.Intercept(kalshiauthtest.On("Login", kalshiauthtest.HTML(http.StatusOK))) // a captive portal

	// In a test, report is func(v contract.Violation) { t.Error(v) }.
	checker, err := contract.New(srv.URL, func(v contract.Violation) { fmt.Println(v.In, v.Place, v.Found) })
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: checker.Transport(http.DefaultTransport)}

	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, srv.URL+"/log_in",
		strings.NewReader(`{"email":"trader@example.com"}`))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		panic(err)
	}
	_ = resp.Body.Close()
	// Output:
	// request /password property "password" is missing
	// response Content-Type the content type is text/html
	// response Set-Cookie no cookie sessions that a browser would send to /log_out
}

func ExampleChecker_Middleware() {
	fake := kalshiauthtest.NewUnstartedServer()
	defer fake.Close()

	// The base URL is what clients call the server.
	checker, err := contract.New("https://api.example.com/v1", func(v contract.Violation) { fmt.Println(v) })
	if err != nil {
		panic(err)
	}
	http.Handle("/v1/", checker.Middleware(http.StripPrefix("/v1", fake.Handler())))
	// Output:
}

func ExampleChecker_Proxy() {
	fake := kalshiauthtest.NewServer()
	defer fake.Close()
	upstream, err := url.Parse(fake.URL)
	if err != nil {
		panic(err)
	}
	checker, err := contract.New(fake.URL, func(v contract.Violation) { fmt.Println(v.In, v.Place, v.Found) })
	if err != nil {
		panic(err)
	}
	proxy := httptest.NewServer(checker.Proxy(upstream)) // elsewhere: http.ListenAndServe
	defer proxy.Close()

	// Any program, in any language:
	resp, err := http.Post(proxy.URL+"/passwords/reset", "application/json", strings.NewReader(`{"email":"trader"}`))
	if err != nil {
		panic(err)
	}
	_ = resp.Body.Close()
	fmt.Println(resp.Status)
	// Unordered output:
	// request /email string doesn't match the format "email" (not an e-mail address)
	// 400 Bad Request
}

func ExampleChecker_HAR() {
	checker, err := contract.New("https://demo-api.kalshi.co/v1", func(v contract.Violation) { fmt.Println(v.In, v.Place, v.Found) })
	if err != nil {
		panic(err)
	}
	recording := strings.NewReader(`{"log": {"entries": [{
		"request": {"method": "POST", "url": "https://demo-api.kalshi.co/v1/log_in", "headers": [],
			"postData": {"mimeType": "application/json", "text": "{\"email\": \"trader@example.com\"}"}},
		"response": {"status": 400, "headers": [{"name": "Content-Type", "value": "application/json"}],
			"content": {"text": "{\"code\": \"invalid_parameters\"}"}}}]}}`) // elsewhere: os.Open
	exchanges, err := checker.HAR(context.Background(), recording)
	if err != nil {
		panic(err)
	}
	fmt.Println("exchanges:", exchanges)
	fmt.Println(checker.Report())
	// Output:
	// request /password property "password" is missing
	// exchanges: 1
	// 0 passed, 1 failed, 3 skipped
}

func ExampleRun() {
	srv := kalshiauthtest.NewServer()
	defer srv.Close()
	srv.AddUser("trader@example.com", "correct horse")

	report, err := contract.Run(context.Background(), contract.Target{
		BaseURL:     srv.URL,
		Credentials: kalshiauth.Credentials{Email: "trader@example.com", Password: "correct horse"},
		ResetCode: func(context.Context, string) (code, userID string, err error) {
			mails := srv.Outbox() // elsewhere: read the mailbox
			last := mails[len(mails)-1]
			return last.Code, last.UserID, nil
		},
	})
	if err != nil {
		panic(err) // it could not run
	}
	if !report.OK() {
		_ = report.Write(os.Stdout, contract.FormatText)
	}
	fmt.Println("the server holds the contract:", report.OK())
	// Output: the server holds the contract: true
}
