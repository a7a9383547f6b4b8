package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/cmd/kalshiauth/internal/fakeserver"
)

// serveUsers returns the users of -users and -user, and for each whether its password was made.
func serveUsers(cmd *cli.Command) (users []fakeserver.User, made []bool, err error) {
	if file := cmd.String("users"); file != "" {
		if users, err = readUsers(file); err != nil {
			return nil, nil, fmt.Errorf("-users %s: %w", file, err)
		}
	}
	inFile := len(users)
	for _, text := range cmd.StringSlice("user") {
		email, password, given := strings.Cut(text, ":")
		if email == "" || given && password == "" {
			return nil, nil, errors.New("-user is EMAIL, or EMAIL:PASSWORD")
		}
		users = append(users, fakeserver.User{Email: email, Password: password})
	}
	made = make([]bool, len(users))
	for i := range users {
		if made[i] = users[i].Password == ""; made[i] {
			users[i].Password = rand.Text()
		}
	}
	if err := fakeserver.CheckUsers(users[:inFile]); err != nil {
		return nil, nil, fmt.Errorf("-users %s: %w", cmd.String("users"), err)
	}
	if err := fakeserver.CheckUsers(users); err != nil {
		return nil, nil, fmt.Errorf("-user %w", err)
	}
	return users, made, nil
}

// A fileUser is a user in the file of -users.
type fileUser struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	UserID   string `json:"user_id"`
}

// readUsers reads the file of -users. Its errors show no password.
func readUsers(file string) (users []fakeserver.User, err error) {
	data, err := os.ReadFile(file) //nolint:gosec // the user's own file
	if err != nil {
		return nil, errors.Unwrap(err) // the caller names the file
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, errors.New(`not a JSON array: write [{"email": "trader@example.com", "password": "…"}]`)
	}
	for i, one := range raw {
		var user fileUser
		given, err := fakeserver.Unmarshal(one, &user)
		switch {
		case err != nil:
			return nil, fmt.Errorf("user %d %w", i+1, err)
		case user.Email == "":
			return nil, fmt.Errorf("user %d has no email: give its address", i+1)
		case given["password"] && user.Password == "":
			return nil, fmt.Errorf("user %d has an empty password: give one, or leave the field out to have one made", i+1)
		case given["user_id"] && user.UserID == "":
			return nil, fmt.Errorf("user %d has an empty user_id: give a UUID, or leave the field out", i+1)
		}
		users = append(users, fakeserver.User{ID: user.UserID, Email: user.Email, Password: user.Password})
	}
	return users, nil
}
