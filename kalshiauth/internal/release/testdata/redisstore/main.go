// The program shares a session between two sources, as two machines would.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/autologin"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/kalshiauthtest"
	"github.com/kalshiauth/kalshiauth-go/kalshiauth/redisstore"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	credentials := kalshiauth.Credentials{Email: "trader@example.com", Password: "correct horse battery"}
	fake := kalshiauthtest.NewServer()
	defer fake.Close()
	fake.AddUser(credentials.Email, credentials.Password)
	server, err := miniredis.Run()
	if err != nil {
		return err
	}
	defer server.Close()

	for range 2 {
		db := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
		defer db.Close()
		client, err := kalshiauth.New(kalshiauth.WithBaseURL(fake.URL))
		if err != nil {
			return err
		}
		key := redisstore.Key("kalshi", fake.URL, credentials.Email)
		store, err := redisstore.New(db, key, redisstore.WithEncryptionKey(make([]byte, 32)))
		if err != nil {
			return err
		}
		source, err := autologin.New(client, autologin.StaticCredentials(credentials), autologin.WithStore(store))
		if err != nil {
			return err
		}
		if _, err := source.Session(context.Background()); err != nil {
			return err
		}
	}
	fmt.Println("log-ins:", fake.Requests("Login"))
	return nil
}
