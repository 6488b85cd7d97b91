package helm

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of what is kept of Helm's log, as Flux keeps it.
const (
	maxLines = 10
	maxLine  = 2048 // bytes
)

// lines keeps the last lines that Helm logs. Lines that repeat are counted.
type lines struct {
	hide  mask
	to    func(string)
	attrs []slog.Attr
	share *ring
}

// ring is what handlers with attributes share.
type ring struct {
	mu   sync.Mutex
	last []line
}

type line struct {
	at, again time.Time
	text      string
	count     int
}

// Enabled tells that every level is taken.
func (l *lines) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs returns a handler that adds attributes.
func (l *lines) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := *l
	out.attrs = append(slices.Clone(l.attrs), attrs...)
	return &out
}

// WithGroup returns the handler: groups are not shown.
func (l *lines) WithGroup(string) slog.Handler { return l }

// Handle takes a record.
func (l *lines) Handle(_ context.Context, record slog.Record) error {
	text := record.Message
	switch record.Level {
	case slog.LevelError:
		text = "error: " + text
	case slog.LevelWarn:
		text = "warning: " + text
	}
	attrs := map[string]string{}
	for _, a := range l.attrs {
		attrs[a.Key] = a.Value.String()
	}
	record.Attrs(func(a slog.Attr) bool {
		attrs[a.Key] = a.Value.String()
		return true
	})
	if encoded, err := json.Marshal(attrs); err == nil {
		text += ": " + string(encoded)
	}
	text = l.hide.text(text)
	if len(text) > maxLine {
		text = text[:maxLine] + "…"
	}
	l.share.add(text)
	if l.to != nil {
		l.to(text)
	}
	return nil
}

func (r *ring) add(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now().UTC()
	if n := len(r.last); n > 0 && r.last[n-1].text == text {
		r.last[n-1].count++
		r.last[n-1].again = now
		return
	}
	r.last = append(r.last, line{at: now, text: text})
	if len(r.last) > maxLines {
		r.last = r.last[1:]
	}
}

// String returns the last lines, each after its time.
func (l *lines) String() string {
	r := l.share
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, line := range r.last {
		fmt.Fprintf(&b, "%s: %s\n", line.at.Format(time.RFC3339Nano), line.text)
		if line.count > 0 {
			fmt.Fprintf(&b, "%s: %s", line.again.Format(time.RFC3339Nano), line.text)
			if line.count > 1 {
				fmt.Fprintf(&b, " (%d duplicates omitted)", line.count-1)
			}
			b.WriteByte('\n')
		}
	}
	return strings.TrimSpace(b.String())
}

// mask takes secrets out of texts.
type mask struct{ replace *strings.Replacer }

// newMask hides the given texts, also where a manifest holds them in base64.
func newMask(secrets []string) mask {
	if len(secrets) == 0 {
		return mask{}
	}
	secrets = slices.Clone(secrets)
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 6*len(secrets))
	for _, s := range secrets {
		if s == "" {
			continue
		}
		quoted, _ := json.Marshal(s)
		for _, form := range []string{s, base64.StdEncoding.EncodeToString([]byte(s)), strings.Trim(string(quoted), `"`)} {
			pairs = append(pairs, form, "«secret»")
		}
	}
	return mask{strings.NewReplacer(pairs...)}
}

func (m mask) text(s string) string {
	if m.replace == nil {
		return s
	}
	return m.replace.Replace(s)
}

// err returns an error whose text holds no secrets. What it wraps can be asked
// for with errors.Is, but not printed by way of Unwrap.
func (m mask) err(err error) error {
	if err == nil || m.replace == nil || m.text(err.Error()) == err.Error() {
		return err
	}
	return &hidden{m.text(err.Error()), err}
}
