package cli

import (
	"bytes"
	"io"
	"unicode"

	"github.com/leat-dev/leat/internal/words"
)

// plain is a writer for what repositories and forges say, names of files, values, messages
// of commits: nothing in it steers the terminal.
type plain struct{ io.Writer }

// Write implements io.Writer.
func (p plain) Write(text []byte) (int, error) {
	_, err := p.Writer.Write(bytes.Map(func(r rune) rune {
		if words.Steers(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text))
	return len(text), err
}
