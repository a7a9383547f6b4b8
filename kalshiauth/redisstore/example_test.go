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

func sharedSource(client *kalshiauth.Client, creds kalshiauth.Credentials, addr string) (*autologin.Source, error) {
	rdb := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	store, err := redisstore.New(rdb, redisstore.Key("kalshi:", client.BaseURL(), creds.Email))
	if err != nil {
		return nil, err
	}
	return autologin.New(client, autologin.StaticCredentials(creds), autologin.WithStore(store))
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
