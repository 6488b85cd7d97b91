package cli

import (
	"io"

	"github.com/leat-dev/leat/internal/words"
)

// plain is a writer for what repositories and forges say, names of files, values, messages
// of commits: nothing in it steers the terminal.
type plain struct{ io.Writer }

// Write implements io.Writer.
func (p plain) Write(text []byte) (int, error) {
	_, err := io.WriteString(p.Writer, words.Plain(string(text)))
	return len(text), err
}
