package redisstore

import "github.com/redis/go-redis/v9"

// Gates returns how many locks of a client have waiters or a holder in this program.
func Gates(client redis.UniversalClient) (n int) {
	gates.mu.Lock()
	defer gates.mu.Unlock()
	for of := range gates.of {
		if of.client == client {
			n++
		}
	}
	return n
}
