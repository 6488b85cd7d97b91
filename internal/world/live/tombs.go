package live

import (
	"maps"
	"time"

	"github.com/leat-dev/leat/internal/object"
)

// tombs remembers for a while at which version objects went. The zero value is
// ready; it is not safe for concurrent use.
type tombs struct {
	at    map[object.Key]tomb
	swept time.Time
}

type tomb struct {
	version uint64
	since   time.Time
}

// mourning is how long a tomb is kept: longer than any write takes to be answered.
const mourning = 2 * time.Minute

func (t *tombs) add(key object.Key, version uint64) {
	now := time.Now()
	if now.Sub(t.swept) > mourning {
		maps.DeleteFunc(t.at, func(_ object.Key, b tomb) bool { return now.Sub(b.since) > mourning })
		t.swept = now
	}
	if t.at == nil {
		t.at = make(map[object.Key]tomb)
	}
	t.at[key] = tomb{version, now}
}

// after tells whether the object went after it had a version.
func (t *tombs) after(key object.Key, version uint64) bool {
	b, ok := t.at[key]
	return ok && b.version >= version
}
