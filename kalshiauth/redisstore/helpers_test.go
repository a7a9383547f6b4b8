package redisstore_test

import (
	"context"
	"net"
	"testing"
)

const email, password = "trader@example.com", "correct horse battery"

// silentServer returns the address of a server that accepts connections, and never answers.
func silentServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	return listener.Addr().String()
}

// hang is a dialer that ignores its context for as long as the test runs.
func hang(context.Context, string, string) (net.Conn, error) {
	select {}
}
