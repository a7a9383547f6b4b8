//go:build unix

package redisstore_test

import (
	"syscall"
	"testing"
)

// A process is stopped while it logs in, for longer than the lease, and then goes on.
func TestStressTheHolderIsStopped(t *testing.T) {
	t.Parallel()
	server := realServer(t)
	f := newFirm(t, server.addr, nil)
	f.wait()
	var stopped string
	f.during(func(holder string) {
		stopped = holder
		f.without(holder)
		if err := f.workers[holder].Process.Signal(syscall.SIGSTOP); err != nil {
			t.Error(err)
		}
	})
	f.endSessions()
	slowest := f.wait()
	client := newClient(t, server.addr)
	saved := client.Get(t.Context(), f.key+":session").Val()
	f.mu.Lock()
	f.all = make(chan struct{}) // the stopped one has to be served, too
	f.mu.Unlock()
	f.without("")
	if err := f.workers[stopped].Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	f.wait()
	if now := client.Get(t.Context(), f.key+":session").Val(); now != saved || saved == "" {
		t.Error("the stopped process has replaced the session that others use")
	}
	f.check("a stopped holder", 3, 3, slowest, lease+poll+soon)
	f.endSessions()
	f.check("after a stopped holder", 4, 4, f.wait(), soon)
}
