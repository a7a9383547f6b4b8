package storetest

import "time"

// SetPatience changes how long a call may take.
func SetPatience(d time.Duration) { patience = d }
