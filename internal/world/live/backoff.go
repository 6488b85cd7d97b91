package live

import (
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// How long a watch whose server is away waits before it asks again: twice as long
// each time from firstPause to lastPause, and up to half as much more, so that
// many watches do not come back in the same moment. Those of client-go itself
// wait up to a minute (tools/cache/reflector.go); a server that was away for long
// is then back for a minute before a commit moves anything.
const (
	firstPause  = 500 * time.Millisecond
	lastPause   = 4 * time.Second
	pauseJitter = 0.5
	pauses      = 8 // more than it takes to reach lastPause
)

// Backoff returns how watches wait between attempts. Two hundred of them ask a
// server that is away for forty answers a second, together.
func Backoff() *wait.Backoff {
	return &wait.Backoff{Duration: firstPause, Cap: lastPause, Factor: 2, Jitter: pauseJitter, Steps: pauses}
}
