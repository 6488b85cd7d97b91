package fleettest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/entry"
	rendered "github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/secret"
)

// TestParity plans edits of fleets in memory, delivers the same edits to an API
// server as `leat up` does, and compares object by object: what is made, which
// fields change, what is pruned, what every unit holds, and how it stands. Whatever
// differs stands in testdata/parity, with the reason.
//
// What cannot be seen on a server is not compared: units whose sources are out of
// reach there too, and what a unit would hold that was refused (preview.Rehearsed).
func TestParity(t *testing.T) {
	for _, m := range mutations() {
		t.Run(m.name, func(t *testing.T) {
			f := named(t, m.name)
			if testing.Short() && !m.short {
				t.Skip("not in the quick suite; go test without -short runs it")
			}
			if _, err := os.Stat(f.dir); err != nil {
				t.Skipf("the fleet %s is not beside the checkout: its parity was NOT checked", filepath.Base(f.dir))
			}
			cfg := f.config(t)
			cfg.Revisions.Base, cfg.Revisions.Dir = m.sides(t, f.dir)
			planned, err := app.Plan(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			done, err := app.Rehearse(t.Context(), app.RehearsalConfig{PlanConfig: cfg, Start: sandbox, Grace: 3 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			m.compare(t, disparities(planned, done))
		})
	}
}

// sandbox is an API server that one edit is delivered to.
func sandbox(context.Context) (app.Sandbox, error) {
	c, err := kubetest.New()
	if err != nil {
		return app.Sandbox{}, err
	}
	return app.Sandbox{REST: c.Config, Ended: c.Process.Done(), Stop: c.Stop}, nil
}

// config is what a plan of the fleet takes, from the flags of `leat up`.
func (f fleet) config(t *testing.T) app.PlanConfig {
	t.Helper()
	flags := f.flags
	if f.more != nil {
		flags = append(slices.Clone(flags), f.more(t)...)
	}
	// One key for both, or the fingerprints of one secret would differ.
	cfg := app.PlanConfig{Previews: app.PreviewConfig{
		CacheDir: t.TempDir(), Given: true, Log: slog.New(slog.DiscardHandler),
		Options: engine.Options{Mask: plan.NewMask(secret.NewKey()), FailFast: true, Strict: true},
	}}
	for i := 0; i+1 < len(flags); i += 2 {
		switch value := flags[i+1]; flags[i] {
		case "--path":
			cfg.Entries = []entry.Options{{Path: value}}
		case "--input":
			cfg.Previews.Inputs = append(cfg.Previews.Inputs, value)
		case "--mirror":
			m, err := mirror.Parse(value)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Previews.Mirrors = append(cfg.Previews.Mirrors, m)
		case "--feature-gates":
			cfg.Previews.Options.Strict = false
		default:
			t.Fatalf("flag %s is not known here", flags[i])
		}
	}
	return cfg
}

// effects are what a plan says that happens, one line each, and how all units and
// their objects stand.
func effects(p present.Plan) (lines []string, objects map[string]map[string]any) {
	objects = map[string]map[string]any{}
	for _, e := range p.Entries {
		for _, u := range e.Set.Units {
			lines = append(lines, fmt.Sprintf("%s: %s", u.Key, u.Op))
			for _, o := range u.Objects {
				at := fmt.Sprintf("%s: %s %s", u.Key, o.Op, o.Ref.Key)
				lines = append(lines, at)
				for _, field := range o.Fields {
					lines = append(lines, stable(fmt.Sprintf("%s %s", at, field)))
				}
			}
		}
		for _, u := range e.Set.After.Units {
			lines = append(lines, stands(u))
			for _, o := range u.Objects {
				lines = append(lines, fmt.Sprintf("%s holds %s", u.Key, o.Ref.Key))
				objects[u.Key.String()+" "+o.Ref.Key.String()] = o.Value.Object
			}
		}
	}
	for i := range lines {
		lines[i] = random.ReplaceAllString(lines[i], "-test-RANDOM")
	}
	return lines, objects
}

// random are the ends of names that Helm's templates draw.
var random = regexp.MustCompile(`-test-[a-z0-9]{5}\b`)

// stands says how a unit stands; what it waits on tells more than words.
func stands(u rendered.Unit) string {
	text := fmt.Sprintf("%s is %s", u.Key, u.State)
	if u.State == rendered.Failed || u.State == rendered.Waiting {
		text += " " + u.Reason + " " + strings.Join(u.On, " ")
	}
	return strings.TrimSpace(text)
}

// disparities are what two plans do not agree on: what only one of them says, and
// fields of objects that the first has and the second has not, or otherwise. A
// server has more fields.
func disparities(planned, done present.Plan) []string {
	expected, wanted := effects(planned)
	said, held := effects(done)
	torn := contested(planned, done)
	skip := func(line string) bool {
		return slices.ContainsFunc(torn, func(name string) bool { return strings.Contains(line, name) })
	}
	var out []string
	for _, line := range expected {
		if !slices.Contains(said, line) {
			out = append(out, "planned: "+line)
		}
	}
	for _, line := range said {
		if !slices.Contains(expected, line) {
			out = append(out, "done:    "+line)
		}
	}
	for _, at := range slices.Sorted(maps.Keys(wanted)) {
		if held[at] == nil {
			continue // that is told above
		}
		for _, path := range lacking(wanted[at], held[at]) {
			out = append(out, "fields:  "+at+" "+path)
		}
	}
	out = slices.DeleteFunc(out, skip)
	slices.Sort(out)
	return slices.Compact(out)
}

// contested are the objects that two units want: which of them has one is a race.
func contested(plans ...present.Plan) []string {
	var out []string
	for _, p := range plans {
		for _, e := range p.Entries {
			for _, u := range e.Set.After.Units {
				for _, w := range u.Warnings {
					if owners.MatchString(w.Message) {
						out = append(out, w.Object)
					}
				}
			}
		}
	}
	return out
}

// lacking are the paths of values of a that b has not.
func lacking(a, b any) []string {
	switch a := a.(type) {
	case map[string]any:
		have, _ := b.(map[string]any)
		var out []string
		for _, key := range slices.Sorted(maps.Keys(a)) {
			for _, path := range lacking(a[key], have[key]) {
				out = append(out, "/"+key+path)
			}
		}
		return out
	case []any:
		have, _ := b.([]any)
		if len(have) < len(a) {
			return []string{""}
		}
		var out []string
		for i := range a {
			for _, path := range lacking(a[i], have[i]) {
				out = append(out, fmt.Sprintf("/%d%s", i, path))
			}
		}
		return out
	}
	if same(a, b) {
		return nil
	}
	return []string{fmt.Sprintf(": %v, %v", a, b)}
}

// same tells whether two values are one, as amounts if they are such.
func same(a, b any) bool {
	x, y := fmt.Sprint(a), fmt.Sprint(b)
	if x == y {
		return true
	}
	p, err := resource.ParseQuantity(x)
	q, err2 := resource.ParseQuantity(y)
	return err == nil && err2 == nil && p.Cmp(q) == 0
}

// compare holds what differs against the list, both ways.
func (m mutation) compare(t *testing.T, got []string) {
	t.Helper()
	file := filepath.Join("testdata", "parity", m.name+".txt")
	want := map[string]string{} // line to reason
	data, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	reason := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if why, is := strings.CutPrefix(line, "# "); is {
			reason = why
		} else if line != "" {
			want[line] = reason
		}
	}
	if *update {
		m.write(t, file, got, want)
		return
	}
	for _, line := range got {
		if why, listed := want[line]; !listed {
			t.Errorf("differs and is not in %s: %s", file, line)
		} else if why == "" || why == unexplained {
			t.Errorf("%s has no reason for: %s", file, line)
		}
	}
	for line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("%s has what does not differ: %s", file, line)
		}
	}
}

const unexplained = "unexplained"

// write writes the list anew, by the reasons that it has.
func (m mutation) write(t *testing.T, file string, got []string, reasons map[string]string) {
	t.Helper()
	if len(got) == 0 {
		_ = os.Remove(file)
		return
	}
	by := map[string][]string{}
	for _, line := range got {
		reason := cmp.Or(reasons[line], unexplained)
		by[reason] = append(by[reason], line)
	}
	var text strings.Builder
	for _, reason := range slices.Sorted(maps.Keys(by)) {
		fmt.Fprintf(&text, "# %s\n%s\n\n", reason, strings.Join(by[reason], "\n"))
	}
	write(t, file, []byte(strings.TrimSuffix(text.String(), "\n")))
}
