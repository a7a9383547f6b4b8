// Command ogen logs in with the client that ogen generates.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/ogen-go/ogen/ogenerrors"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/internal/bench/ogenclient"
)

func main() {
	client, err := ogenclient.NewClient(os.Args[1], nobody{})
	if err != nil {
		panic(err)
	}
	answer, err := client.Login(context.Background(), &ogenclient.LoginRequest{Email: os.Args[2], Password: os.Args[3]})
	if err != nil {
		panic(err)
	}
	_, _ = fmt.Fprintf(os.Stdout, "%T", answer)
}

// nobody has no session to present.
type nobody struct{}

func (nobody) Cookie(context.Context, ogenclient.OperationName) (ogenclient.Cookie, error) {
	return ogenclient.Cookie{}, ogenerrors.ErrSkipClientSecurity
}

func (nobody) Authorization(context.Context, ogenclient.OperationName) (ogenclient.Authorization, error) {
	return ogenclient.Authorization{}, ogenerrors.ErrSkipClientSecurity
}
