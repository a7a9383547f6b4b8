package redisstore_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// shared is the address of the server that tests share which do not change the server.
var shared string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if os.Getenv(workerEnv) != "" {
			return work()
		}
		if program() == "" {
			fmt.Println("There is no redis-server or valkey-server on the PATH. The tests use miniredis, and leave out " +
				"what needs a real server.")
			small := miniredis.NewMiniRedis()
			if err := small.Start(); err != nil {
				fmt.Println(err)
				return 1
			}
			defer small.Close()
			shared = small.Addr()
			small.ClockTTL(true)
			return m.Run()
		}
		s := &server{}
		folder, err := os.MkdirTemp("", "redisstore")
		if err == nil {
			defer func() { _ = os.RemoveAll(folder) }()
			err = s.start(folder)
		}
		if err != nil {
			fmt.Println(err)
			return 1
		}
		defer s.kill()
		shared = s.addr
		fmt.Println("The tests use", program())
		return m.Run()
	}())
}

// program returns the path of a real server, or "".
func program() string {
	valkey, _ := exec.LookPath("valkey-server")
	path, _ := exec.LookPath("redis-server")
	return cmp.Or(path, valkey)
}

// A server is a real server.
type server struct {
	addr, folder string
	cmd          *exec.Cmd
	exited       chan struct{}
}

// realServer starts a real server with these options. It skips the test if there is none.
func realServer(t *testing.T, options ...string) *server {
	t.Helper()
	if program() == "" {
		t.Skip("there is no redis-server or valkey-server on the PATH")
	}
	s := &server{}
	if err := s.start(t.TempDir(), options...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	return s
}

// start starts the server on a free port, with its data in a folder. It keeps the port of an earlier start.
func (s *server) start(folder string, options ...string) error {
	s.folder = folder
	again := s.addr != ""
	for range 10 {
		if !again {
			listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
			if err != nil {
				return err
			}
			s.addr = listener.Addr().String()
			_ = listener.Close()
		}
		_, port, _ := net.SplitHostPort(s.addr)
		var output bytes.Buffer
		s.cmd = exec.CommandContext(context.Background(), program(), append([]string{ //nolint:gosec // a server
			"--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no",
		}, options...)...)
		s.cmd.Stdout, s.cmd.Stderr = &output, &output
		if err := s.cmd.Start(); err != nil {
			return err
		}
		s.exited = make(chan struct{})
		go func() {
			_ = s.cmd.Wait()
			close(s.exited)
		}()
		if s.answers() {
			return nil
		}
		if !bytes.Contains(output.Bytes(), []byte("in use")) {
			return fmt.Errorf("%s does not start: %s", program(), output.Bytes())
		}
	}
	return errors.New("there is no free port")
}

// answers waits until the server answers, or has exited.
func (s *server) answers() bool {
	client := redis.NewClient(&redis.Options{Addr: s.addr, MaxRetries: -1, DialerRetries: 1})
	defer func() { _ = client.Close() }()
	ticks := time.NewTicker(10 * time.Millisecond)
	defer ticks.Stop()
	for {
		select {
		case <-s.exited:
			return false
		case <-ticks.C:
			info, err := client.Info(context.Background(), "server").Result()
			if err == nil && strings.Contains(info, "process_id:"+strconv.Itoa(s.cmd.Process.Pid)) {
				return true // and it is this server, not another one at its port
			}
		}
	}
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}

var clients atomic.Int64

// newClient returns a client for the server at addr, and closes it after the test.
func newClient(tb testing.TB, addr string, change ...func(*redis.Options)) *redis.Client {
	tb.Helper()
	options := &redis.Options{Addr: addr, ContextTimeoutEnabled: true}
	for _, c := range change {
		c(options)
	}
	client := redis.NewClient(options)
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

// keyOf returns a key of this test and run.
func keyOf(tb testing.TB) string {
	tb.Helper()
	return "test:{" + filepath.Base(tb.Name()) + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(clients.Add(1), 10) + "}"
}
