// Package words puts lists into messages.
//
//	words.Some([]string{"a", "b"}) // a, b
package words

import (
	"fmt"
	"strings"
)

// few is how many names a message bears.
const few = 8

// Some lists names, not too many of them; none are «nothing».
func Some(names []string) string {
	switch {
	case len(names) == 0:
		return "nothing"
	case len(names) > few:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
	default:
		return strings.Join(names, ", ")
	}
}
