// The program uses only the packages that need no other module than the root module.
package main

import (
	"fmt"
	"os"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	client, err := kalshiauth.New()
	if err != nil {
		return err
	}
	_, err = autologin.New(client, autologin.StaticCredentials(kalshiauth.Credentials{
		Email: "trader@example.com", Password: "correct horse battery",
	}))
	if err != nil {
		return err
	}
	fmt.Println("User-Agent:", client.UserAgent())
	return nil
}
