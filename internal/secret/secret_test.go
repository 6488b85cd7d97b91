package secret

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const canary = "hunter2-canary"

type holder struct {
	Public Value
	hidden Value
	Ptr    *Value
	List   []Value
	Map    map[string]Value
}

// However a secret is printed, alone or inside something, the text stays out.
func TestNeverPrinted(t *testing.T) {
	v := Of(canary)
	h := holder{v, v, &v, []Value{v}, map[string]Value{"k": v}}
	var out []string
	for _, x := range []any{v, &v, h, &h, []any{h}, fmt.Errorf("wrapped: %v", v)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p"} {
			out = append(out, fmt.Sprintf(verb, x))
		}
		if b, err := json.Marshal(x); err == nil {
			out = append(out, string(b))
		}
		if b, err := xml.Marshal(x); err == nil {
			out = append(out, string(b))
		}
		for _, make := range []func(*bytes.Buffer) slog.Handler{
			func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var buf bytes.Buffer
			slog.New(make(&buf)).Info("m", "x", x)
			out = append(out, buf.String())
		}
	}
	hexed := fmt.Sprintf("%x", canary)
	for _, s := range out {
		if strings.Contains(s, canary) || strings.Contains(strings.ToLower(s), hexed) {
			t.Errorf("the secret shows in %s", s)
		}
	}
}

func TestFingerprintTellsApart(t *testing.T) {
	first, again := Of("a").String(), Of("a").String()
	if first != again || first == Of("b").String() {
		t.Error("fingerprints do not follow the text")
	}
	if k := NewKey(); k.Fingerprint(Of("a")) == NewKey().Fingerprint(Of("a")) {
		t.Error("fingerprints do not depend on the key")
	}
	if got := (Value{}).String(); got != "secret:empty" {
		t.Errorf("zero Value prints %q", got)
	}
	if !Of("x").Equal(OfBytes([]byte("x"))) || Of("x").Equal(Value{}) || !Of("").IsZero() {
		t.Error("Equal or IsZero is wrong")
	}
}
