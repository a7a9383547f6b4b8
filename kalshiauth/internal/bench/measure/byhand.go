package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// byHand is what a careful programmer writes for these operations with net/http and encoding/json: a timeout, typed
// errors, the session's cookie, and bodies that are closed and read to their end, up to a limit. It reads with
// io.ReadAll and json.Unmarshal. A json.Decoder would not notice what follows the JSON value, and may not reach the end
// of a chunked body, so that the connection is not reused.
type byHand struct {
	url  string
	http *http.Client
}

const (
	byHandTimeout = 30 * time.Second
	byHandMaxBody = 64 << 10
)

type byHandCredentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

type byHandSession struct {
	UserID      string       `json:"user_id"`
	Token       string       `json:"token"`
	AccessLevel string       `json:"access_level"`
	Cookie      *http.Cookie `json:"-"`
}

type byHandError struct {
	Status  int    `json:"-"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Details string `json:"details"`
	Service string `json:"service"`
}

func (e *byHandError) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

func (c *byHand) login(ctx context.Context, email, password string) (*byHandSession, error) {
	ctx, cancel := context.WithTimeout(ctx, byHandTimeout)
	defer cancel()
	in, err := json.Marshal(byHandCredentials{Email: email, Password: password}) //nolint:gosec // to be sent
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/log_in", bytes.NewReader(in))
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, byHandRefusal(resp)
	}
	session := new(byHandSession)
	if err := byHandJSON(resp, session); err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	for _, cookie := range resp.Cookies() {
		if cookie.Name == "sessions" {
			session.Cookie = cookie
		}
	}
	return session, nil
}

func (c *byHand) logout(ctx context.Context, session *byHandSession) error {
	ctx, cancel := context.WithTimeout(ctx, byHandTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/log_out", nil)
	if err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	req.AddCookie(session.Cookie)
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusNoContent {
		return byHandRefusal(resp)
	}
	return nil
}

func byHandRefusal(resp *http.Response) error {
	e := &byHandError{Status: resp.StatusCode}
	if err := byHandJSON(resp, e); err != nil {
		return fmt.Errorf("status %d: %w", resp.StatusCode, err)
	}
	return e
}

func byHandJSON(resp *http.Response, value any) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, byHandMaxBody))
	if err != nil {
		return fmt.Errorf("reading the body: %w", err)
	}
	if err := json.Unmarshal(body, value); err != nil {
		return fmt.Errorf("decoding the body: %w", err)
	}
	return nil
}
