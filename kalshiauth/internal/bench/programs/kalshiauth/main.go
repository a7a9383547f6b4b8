// Command kalshiauth logs in with kalshiauth.
package main

import (
	"context"
	"os"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
)

func main() {
	client, err := kalshiauth.New(kalshiauth.WithBaseURL(os.Args[1]))
	if err != nil {
		panic(err)
	}
	session, err := client.Login(context.Background(), kalshiauth.Credentials{Email: os.Args[2], Password: os.Args[3]})
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString(session.String())
}
