package apply

import (
	"fmt"

	"github.com/leat-dev/leat/internal/object"
)

// Undeleted is one object that the API did not delete.
type Undeleted struct {
	Ref  object.Ref
	Text string // the API's words, secrets masked
	Err  error  // the API's error; its text may hold secrets
}

// Error names the object and repeats the API's words.
func (e *Undeleted) Error() string { return fmt.Sprintf("delete %s: %s", e.Ref.Key, e.Text) }

// Unwrap returns the API's error.
func (e *Undeleted) Unwrap() error { return e.Err }

// Object is what was not deleted.
func (e *Undeleted) Object() object.Ref { return e.Ref }

// Object is what was refused.
func (e *Refusal) Object() object.Ref { return e.Ref }
