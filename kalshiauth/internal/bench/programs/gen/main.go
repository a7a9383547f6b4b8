// Command gen logs in with the generated client alone.
package main

import (
	"context"
	"os"

	"github.com/kalshiauth/kalshiauth-go/gen"
)

func main() {
	client, err := gen.NewClientWithResponses(os.Args[1])
	if err != nil {
		panic(err)
	}
	resp, err := client.LoginWithResponse(context.Background(), gen.LoginRequest{Email: os.Args[2], Password: os.Args[3]})
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString(resp.Status())
}
