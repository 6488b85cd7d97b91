package fluxcli

import (
	"fmt"

	"github.com/leat-dev/leat/internal/words"
)

// What a verb does is told on stderr, a sign before each line
// (flux2 v2.9.5, cmd/flux/log.go).

func (p *program) act(format string, args ...any)     { p.tell("►", format, args...) }
func (p *program) make(format string, args ...any)    { p.tell("✚", format, args...) }
func (p *program) wait(format string, args ...any)    { p.tell("◎", format, args...) }
func (p *program) succeed(format string, args ...any) { p.tell("✔", format, args...) }
func (p *program) warn(format string, args ...any)    { p.tell("⚠️", format, args...) }
func (p *program) fail(format string, args ...any)    { p.tell("✗", format, args...) }

func (p *program) tell(sign, format string, args ...any) {
	fmt.Fprintln(p.Err, sign, words.Plain(fmt.Sprintf(format, args...)))
}
