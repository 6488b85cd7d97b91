package preview

import (
	"reflect"
	"testing"

	"github.com/leat-dev/leat/internal/testkit"
)

// A field that is new must be saved, or said here to need no saving.
func TestEveryFieldOfFleetIsSavedOrNot(t *testing.T) {
	const rest = "empty at rest"
	testkit.Fields(t, reflect.TypeFor[Fleet](), map[string]string{
		"state": "", "units": "", "objects": "", "runs": "", "reads": "", "rested": "", "made": "", "lost": "", "count": "", "live": "",
		"cfg": "New has it", "commit": "New makes it", "cancel": "New makes it", "stop": "New makes it", "mu": "a lock",
		"others": "", "before": "told by who goes on", "starts": rest, "releases": rest, "soft": rest, "heard": rest, "ended": rest, "behind": rest, "drawn": "made by the next rendering",
		"said": "made when it is asked for", "sorted": "made when it is asked for", "ahead": "builds what runs will ask for", "written": "counts for worlds that ask others, which are not saved",
	})
	testkit.Fields(t, reflect.TypeFor[placeholder](), map[string]string{"data": "", "kind": "", "by": ""})
}
