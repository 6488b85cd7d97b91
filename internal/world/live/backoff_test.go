package live

import (
	"testing"
	"time"
)

// After an outage every watch asks again within seconds, and two hundred of them,
// however long the outage was, never ask for more than a server bears easily.
func TestBackoff(t *testing.T) {
	const (
		watches  = MaxKinds
		outage   = 10 * time.Minute
		most     = lastPause + time.Duration(pauseJitter*float64(lastPause))
		bearable = watches / 2 // in one second, once the first attempts are over
	)
	perSecond := map[time.Duration]int{}
	for range watches {
		delay := Backoff().DelayFunc()
		for at := time.Duration(0); at < outage; {
			pause := delay()
			if pause > most || pause < firstPause {
				t.Fatalf("waits %s, want %s to %s", pause, firstPause, most)
			}
			at += pause
			perSecond[at.Truncate(time.Second)]++
		}
	}
	for at, n := range perSecond {
		if at > 10*time.Second && n > bearable {
			t.Errorf("%d attempts in the second at %s, want at most %d", n, at, bearable)
		}
	}
}
