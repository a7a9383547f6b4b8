package filestore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/filestore"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
)

// Two runs of a program share a session: only the first one logs in.
func Example() {
	server := kalshiauthtest.NewServer() // in place of Kalshi
	defer server.Close()
	server.AddUser("trader@example.com", "correct horse")
	folder, err := os.MkdirTemp("", "example") // in place of os.UserConfigDir
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()

	run := func() error {
		store, err := filestore.New(filepath.Join(folder, "kalshi", "session.json"))
		if err != nil {
			return err
		}
		client, err := kalshiauth.New(kalshiauth.WithBaseURL(server.URL))
		if err != nil {
			return err
		}
		c := kalshiauth.Credentials{Email: "trader@example.com", Password: "correct horse"}
		source, err := autologin.New(client, autologin.StaticCredentials(c), autologin.WithStore(store))
		if err != nil {
			return err
		}
		session, err := source.Session(context.Background())
		fmt.Println(session.Valid(), server.Requests("Login"))
		return err
	}
	for range 2 {
		if err := run(); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// true 1
	// true 1
}
