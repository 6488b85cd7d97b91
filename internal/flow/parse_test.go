package flow

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write golden files")

const whole = `
apiVersion: leat.dev/v1alpha1
kind: Flow
environments:
  - name: development
    branch: master
    directory: ./development-configs/
    cluster: clusters/development
    context: dev
  - {name: playground, branch: release, directory: playground-configs, follows: development, move: copy}
  - {name: production, branch: release, directory: production-configs, follows: playground}
pins:
  - {file: core/flux-config.yaml, path: .components.*.repository.branch, kind: branch}
  - {file: core/release.yaml, path: .spec.chart.spec.version, kind: chart, component: lscsde-flux}
components:
  - name: jupyter_hub
    repository: https://github.com/lsc-sde/iac-flux-jupyter
    chart: {repository: https://jupyterhub.github.io/helm-chart, name: jupyterhub}
stays:
  - files: ["**/flux-system/**"]
  - {files: ["**/*.yaml"], kind: HelmRelease, path: .spec.values.replicas}
maps:
  - name: registry
    values: {development: radixdev, playground: radixprod, production: radixprod}
  - name: filter
    path: .metadata.annotations."filter.fluxcd.io/*"
    values: {development: "glob:master-*", playground: "glob:release-*"}
groups: {platform: [alice, bob]}
gates:
  - environments: [production]
    paths: ["production-configs/**"]
    checks: [build, schema, plan]
    failOn: danger
    approvals: {count: 2, users: [carol], groups: [platform]}
    windows: [{days: Mon-Thu, from: "09:00", to: "16:00", zone: Europe/Oslo}]
    freeze: [{from: 2026-12-20, to: 2027-01-03, zone: Europe/Oslo, reason: end of year}]
promise: 10m
forge: {kind: gitea, url: https://git.example.com/team/fleet}
`

func parsed(t *testing.T, text string) Flow {
	t.Helper()
	f, err := Parse(FileName, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParse(t *testing.T) {
	f := parsed(t, whole)
	dev, _ := f.Environment("development")
	if dev.Directory != "development-configs" || dev.Cluster != "clusters/development" || dev.Context != "dev" || dev.At.String() != "leat.yaml:5:5" {
		t.Errorf("got %+v", dev)
	}
	prod, _ := f.Environment("production")
	if prod.Move != Copy || prod.Cluster != "production-configs" || prod.Follows != "playground" {
		t.Errorf("got %+v, want the defaults", prod)
	}
	if got := strings.Join(f.Branches(), " "); got != "master release" {
		t.Errorf("got branches %s", got)
	}
	if c, _ := f.Component("jupyter_hub"); c.Chart == nil || c.Chart.Name != "jupyterhub" {
		t.Errorf("got %+v", c)
	}
	if f.Promise != Duration(10*time.Minute) || f.Forge.Kind != "gitea" || f.Gates[0].Approvals.Count != 2 || f.Groups["platform"][1].User != "bob" {
		t.Errorf("got %+v", f)
	}
}

func TestInOrder(t *testing.T) {
	f := parsed(t, `{apiVersion: leat.dev/v1alpha1, kind: Flow, environments: [
		{name: c, branch: c, follows: b}, {name: a, branch: a}, {name: b, branch: b, follows: a}]}`)
	var got []string
	for _, e := range f.InOrder() {
		got = append(got, e.Name)
	}
	if strings.Join(got, "") != "abc" {
		t.Errorf("got %v", got)
	}
	if f.Environments[0].Move != Merge {
		t.Errorf("a whole branch is moved by %s", f.Environments[0].Move)
	}
}

// Files that are wrong stand beside what is said of them.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("there is no case", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, wrong := Parse(FileName, a.Files[0].Data)
			if wrong == nil {
				t.Fatal("it was read")
			}
			got := wrong.Error() + "\n"
			if *update {
				a.Files = []txtar.File{a.Files[0], {Name: "want", Data: []byte(got)}}
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if len(a.Files) < 2 || got != string(a.Files[1].Data) {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

func TestOpening(t *testing.T) {
	f := parsed(t, whole)
	for at, want := range map[string]string{
		"2026-11-23T08:00:00Z": "",                       // Monday 09:00 in Oslo
		"2026-11-23T07:59:00Z": "outside of its windows", // a minute before
		"2026-07-06T07:00:00Z": "",                       // summer time: 09:00
		"2026-11-27T10:00:00Z": "outside of its windows", // Friday
		"2026-12-19T23:00:00Z": "frozen until 2027-01-04 00:00 CET (end of year)",
		"2027-01-03T22:59:59Z": "frozen until 2027-01-04 00:00 CET (end of year)",
		"2027-01-04T09:00:00Z": "",
	} {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Opening("production", now); got.Why != want || got.Open != (want == "") {
			t.Errorf("at %s: got %+v, want %q", at, got, want)
		}
		if got := f.Opening("playground", now); !got.Open {
			t.Errorf("playground has no gate, and is closed: %s", got.Why)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"core/*.yaml", "core/a.yaml", true}, {"core/*.yaml", "core/b/a.yaml", false}, {"**/*.yaml", "a.yaml", true}, {"**/*.yaml", "x/y/a.yaml", true},
		{"**/flux-system/**", "clusters/a/flux-system/gotk-sync.yaml", true}, {"**/flux-system/**", "flux-system", true}, {"/core/x", "core/x", true}, {"a", "b", false},
	} {
		if got := Match(c.pattern, c.name); got != c.want {
			t.Errorf("Match(%q, %q) = %t", c.pattern, c.name, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("environments: [{name: a, follows: a}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Parse("x", data)
		if err == nil {
			got.InOrder()
			got.Opening("a", time.Time{})
		}
	})
}
