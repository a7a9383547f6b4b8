package redisstore_test

const workerEnv = "REDISSTORE_WORKER"

func work() int { return 0 }
