package plan

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/world"
)

var testMask = NewMask(secret.Key("a key for tests"))

func newSecret(data map[string]any) *unstructured.Unstructured {
	obj := newObject("v1", "Secret", "apps", "db")
	obj.Object["data"] = data
	return obj
}

func encoded(clear string) string { return base64.StdEncoding.EncodeToString([]byte(clear)) }

// printed returns everything that any way of printing shows of the values.
func printed(t fataler, values ...any) string {
	t.Helper()
	var b bytes.Buffer
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			fmt.Fprintf(&b, verb+"\n", v)
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
		for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
			slog.New(h).Info("step", "value", v)
		}
	}
	return b.String()
}

func TestFingerprint(t *testing.T) {
	a, b := testMask.Fingerprint([]byte("hunter22")), testMask.Fingerprint([]byte("hunter23"))
	if a == b || a != testMask.Fingerprint([]byte("hunter22")) {
		t.Errorf("got %s and %s", a, b)
	}
	if NewMask(secret.Key("other")).Fingerprint([]byte("hunter22")) == a {
		t.Error("the key does not matter")
	}
	if got := (Mask{}).Fingerprint([]byte("hunter22")); got != hidden {
		t.Errorf("without a key: got %s", got)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", testMask, testMask, testMask, testMask); strings.Contains(text, "key") || strings.Contains(text, "97 32 107") {
		t.Errorf("the key shows: %s", text)
	}
}

func TestMaskObject(t *testing.T) {
	obj := newSecret(map[string]any{"password": encoded("correct horse")})
	obj.Object["stringData"] = map[string]any{"again": "correct horse"}
	obj.Object["type"] = "Opaque"
	obj.SetAnnotations(map[string]string{
		"kubectl.kubernetes.io/last-applied-configuration": `{"data":{"x":"short"}}`,
		"note": "it is correct horse", "plain": "nothing",
	})
	masked := testMask.Object(obj)
	want := testMask.Fingerprint([]byte("correct horse"))
	for _, path := range []string{"/data/password", "/stringData/again"} {
		segments, _ := ParsePointer(path)
		if got, _ := lookup(masked.Object, segments); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
	annotations := masked.GetAnnotations()
	if annotations["plain"] != "nothing" || strings.Contains(annotations["note"], "horse") ||
		strings.Contains(annotations["kubectl.kubernetes.io/last-applied-configuration"], "short") {
		t.Errorf("got annotations %v", annotations)
	}
	if masked.GetName() != "db" || masked.Object["type"] != "Opaque" {
		t.Errorf("got %v", masked.Object)
	}
	if got, _, _ := unstructured.NestedString(obj.Object, "data", "password"); got != encoded("correct horse") {
		t.Error("the object itself was masked")
	}
	config := newObject("v1", "ConfigMap", "apps", "x")
	if testMask.Object(config) != config || testMask.Object(nil) != nil {
		t.Error("other objects are to be returned as they are")
	}
}

func TestStepShowsNoSecret(t *testing.T) {
	before, after := newSecret(map[string]any{"password": encoded("old-canary-1")}), newSecret(map[string]any{"password": encoded("new-canary-2")})
	step := Step{
		Op: Update, Ref: object.RefOf(after), Before: before, After: after,
		Fields: Drift(before, after, Ignore{}, testMask),
		Why:    "drifted: " + errors.New(`data.password: Invalid value: "new-canary-2"`).Error(),
		If:     world.Precondition{UID: "u", ResourceVersion: "7"},
	}
	p := Plan{Stages: []Stage{{Resources, []Step{step}}}, Prune: []Step{{Op: Delete, Ref: step.Ref, Before: before}}, Mask: testMask}
	text := printed(t, step, p, step.Fields, []Step{step})
	for _, canary := range []string{"canary", encoded("old-canary-1"), encoded("new-canary-2")} {
		if strings.Contains(text, canary) {
			t.Errorf("%s shows in\n%s", canary, text)
		}
	}
	for _, want := range []string{"/data/password", testMask.Fingerprint([]byte("new-canary-2")), `"resourceVersion":"7"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
}

// TestNoSecretIsEverPrinted: whatever the shape of a Secret, valid or not, and
// wherever it repeats its values, no printed form of a step, a plan or a field
// shows one of eight bytes or more.
func TestNoSecretIsEverPrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		canaries := rapid.SliceOfN(rapid.StringMatching(`CANARY[a-z"\\<>&\n]{2,10}é?`), 1, 4).Draw(t, "canaries")
		before, after := drawSecret(t, "before", canaries), drawSecret(t, "after", canaries)
		mask := rapid.SampledFrom([]Mask{{}, testMask}).Draw(t, "mask")
		step := Step{
			Op: rapid.SampledFrom([]Op{Create, Update, Replace, Delete, Unchanged}).Draw(t, "op"), Ref: object.RefOf(after),
			Before: before, After: after, Fields: Drift(before, after, Ignore{}, mask),
		}
		why := rapid.SampledFrom(canaries).Draw(t, "why")
		if strings.Contains(string(jsonText(before.Object["stringData"])), string(jsonText(why))) {
			step.Why = "refused: " + why
		}
		p := Plan{Stages: []Stage{{Resources, []Step{step}}}, Prune: []Step{step}, Mask: mask}
		text := printed(t, step, p, step.Fields)
		for _, canary := range canaries {
			for _, form := range []string{"CANARY", canary, encoded(canary)} {
				if strings.Contains(text, form) {
					t.Fatalf("%q shows in\n%s", form, text)
				}
			}
		}
	})
}

func drawSecret(t *rapid.T, label string, canaries []string) *unstructured.Unstructured {
	obj := newSecret(nil)
	canary := rapid.SampledFrom(canaries)
	value := rapid.OneOf(
		rapid.Map(canary, func(s string) any { return encoded(s) }),
		rapid.Map(canary, func(s string) any { return s }), // not base64
		rapid.Map(canary, func(s string) any { return map[string]any{"k": s} }),
		rapid.Map(canary, func(s string) any { return []any{encoded(s), int64(7)} }),
	)
	keys := rapid.SampledFrom([]string{"a", "b/c", "d"})
	obj.Object["data"] = rapid.OneOf(
		rapid.Map(rapid.MapOf(keys, value), func(m map[string]any) any { return m }),
		value,
	).Draw(t, label+" data")
	stringData := map[string]any{}
	for i, c := range canaries {
		stringData[fmt.Sprintf("k%d", i)] = c // so that all of them are secrets of the object
	}
	obj.Object["stringData"] = stringData
	where := rapid.SampledFrom([]string{"annotations", "labels", "extra", "owners", "nowhere"}).Draw(t, label+" echo")
	echo := "see " + canary.Draw(t, label+" echoed")
	switch where {
	case "annotations":
		obj.SetAnnotations(map[string]string{"note": echo, "kubectl.kubernetes.io/last-applied-configuration": string(jsonText(obj.Object))})
	case "labels":
		obj.SetLabels(map[string]string{"note": echo})
	case "extra":
		obj.Object["extra"] = map[string]any{"list": []any{echo}}
	case "owners":
		obj.Object["metadata"].(map[string]any)["ownerReferences"] = []any{map[string]any{"name": echo}}
	}
	return obj
}

func FuzzMask(f *testing.F) {
	f.Add("correct horse", "note: correct horse")
	f.Add("multi\nline secret value", "line secret value")
	f.Fuzz(func(t *testing.T, clear, note string) {
		if len(clear) < 8 || strings.Contains(hidden, clear) {
			t.Skip()
		}
		obj := newSecret(map[string]any{"k": encoded(clear)})
		obj.SetAnnotations(map[string]string{"note": note + clear})
		masked := Mask{}.Object(obj)
		if strings.Contains(masked.GetAnnotations()["note"], clear) {
			t.Errorf("%q shows in %q", clear, masked.GetAnnotations()["note"])
		}
		if got := (Mask{}).Text("error: "+clear, obj); len(clear) > 30 && strings.Contains(got, clear) {
			t.Errorf("%q shows in %q", clear, got)
		}
	})
}

// What an API says of a Secret with values of the wrong shape, and of objects in
// which a secret was substituted.
func TestTextsOfOddSecrets(t *testing.T) {
	const canary = "canary-7f3a9c51"
	odd := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "a"},
		"data": map[string]any{"password": map[string]any{canary: int64(1)}, "list": []any{map[string]any{canary + "2": "x"}}}}}
	text := `.data.password: expected string, got map{"` + canary + `": 1, "` + canary + `2"}`
	got := Mask{}.Text(text, odd)
	if strings.Contains(got, canary) || !strings.Contains(got, ".data.password: expected string") {
		t.Errorf("got %q", got)
	}
	if shown := string(jsonText(Mask{}.Object(odd).Object)); strings.Contains(shown, canary) || !strings.Contains(shown, "password") {
		t.Errorf("shown: %s", shown)
	}
	got = Mask{}.Values(".immutable: expected boolean, got &{"+canary+"} or "+base64.StdEncoding.EncodeToString([]byte(canary)), canary, "short", "")
	if want := ".immutable: expected boolean, got &{«secret»} or «secret»"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A mask that knows secrets hides them in objects that are no Secrets.
func TestMaskKnowing(t *testing.T) {
	mask := testMask.Knowing("canary-7f3a9c51", "123456", "short", "")
	obj := newObject("v1", "ConfigMap", "apps", "web")
	obj.Object["data"] = map[string]any{
		"url": "https://u:canary-7f3a9c51@db", "code": encoded("canary-7f3a9c51"), "pin": int64(123456), "key canary-7f3a9c51": "x",
		"list": []any{"canary-7f3a9c51", "plain"}, "plain": "short",
	}
	text := printed(t, mask.Object(obj).Object, mask.Text("refused: canary-7f3a9c51"), mask.Object(newSecret(map[string]any{"a": "Yg=="})).Object)
	for _, clear := range []string{"canary-7f3a9c51", encoded("canary-7f3a9c51"), "123456"} {
		if strings.Contains(text, clear) {
			t.Errorf("%s shows in\n%s", clear, text)
		}
	}
	if !strings.Contains(text, "plain") || !strings.Contains(text, "short") {
		t.Errorf("what is no secret is hidden:\n%s", text)
	}
	if data := obj.Object["data"].(map[string]any); data["pin"] != int64(123456) {
		t.Error("the object itself was masked")
	}
}
