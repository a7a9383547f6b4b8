package redisstore_test

import (
	"context"
	"fmt"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/redisstore"
)

func sharedSource(
	client *kalshiauth.Client, credentials kalshiauth.Credentials, redisAddr string,
) (*autologin.Source, error) {
	redisClient := redis.NewClient(&redis.Options{Addr: redisAddr, ContextTimeoutEnabled: true})
	store, err := redisstore.New(redisClient, redisstore.Key("kalshi:", client.BaseURL(), credentials.Email))
	if err != nil {
		return nil, err
	}
	return autologin.New(client, autologin.StaticCredentials(credentials), autologin.WithStore(store))
}

// Two machines share a session: only the first one logs in.
func Example() {
	server := kalshiauthtest.NewServer() // in place of Kalshi
	defer server.Close()
	server.AddUser("trader@example.com", "correct horse")
	small, err := miniredis.Run() // in place of Redis
	if err != nil {
		fmt.Println(err)
		return
	}
	defer small.Close()

	client, err := kalshiauth.New(kalshiauth.WithBaseURL(server.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	credentials := kalshiauth.Credentials{Email: "trader@example.com", Password: "correct horse"}
	for range 2 {
		source, err := sharedSource(client, credentials, small.Addr())
		if err != nil {
			fmt.Println(err)
			return
		}
		session, err := source.Session(context.Background())
		fmt.Println(session.Valid(), server.Requests("Login"), err)
	}
	// Output:
	// true 1 <nil>
	// true 1 <nil>
}
