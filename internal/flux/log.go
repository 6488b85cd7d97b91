package flux

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/words"
)

// Levels are the levels of logs.
var Levels = []string{"debug", "info", "error"}

// CheckLevel refuses levels that there are not.
func CheckLevel(level string) error {
	if strings.TrimSpace(level) == "" {
		return fmt.Errorf("no log level given, must be one of: %s", strings.Join(Levels, ", "))
	}
	if !slices.Contains(Levels, level) {
		return fmt.Errorf("unsupported log level '%s', must be one of: %s", level, strings.Join(Levels, ", "))
	}
	return nil
}

// LogFilter says which lines of an engine's log are shown; empty parts show all.
// Kinds, names and namespaces are compared in any case.
type LogFilter struct {
	Level, Kind, Name, Namespace string
}

// logLine is a line as controllers write it (flux2 v2.9.5, cmd/flux/logs.go).
type logLine struct {
	Timestamp      string `json:"ts"`
	Level          string `json:"level"`
	Message        string `json:"msg"`
	Error          string `json:"error"`
	Kind           string `json:"reconciler kind"`
	ControllerKind string `json:"controllerKind"`
	Name           string `json:"name"`
	Namespace      string `json:"namespace"`
}

// LogText is what is shown of a line of a log, which steers no terminal: nothing of lines that are no JSON
// or not asked for.
func (f LogFilter) LogText(line []byte) (string, error) {
	if len(line) == 0 || line[0] != '{' {
		return "", nil
	}
	var l logLine
	if err := json.Unmarshal(line, &l); err != nil {
		return "", fmt.Errorf("parse error: %w", err)
	}
	kind := l.Kind
	if kind == "" {
		kind = l.ControllerKind
	}
	if !f.shows(l) {
		return "", nil
	}
	about := kind
	if l.Name != "" {
		about += "/" + l.Name + "." + l.Namespace
	}
	return words.Plain(fmt.Sprintf("%s %s %s - %s %s\n", l.Timestamp, l.Level, about, l.Message, l.Error)), nil
}

func (f LogFilter) shows(l logLine) bool {
	is := func(asked string, have ...string) bool {
		return asked == "" || slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(asked, h) })
	}
	return (f.Level == "" || f.Level == l.Level) && is(f.Kind, l.Kind, l.ControllerKind) && is(f.Name, l.Name) && is(f.Namespace, l.Namespace)
}
