package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// canary is what nobody may ever see; it is long enough not to occur by chance.
	canary  = "canary-7f3a9c51d2"
	garbled = "canary*7f3a9c51d2"
)

// Case 38: secrets that units of every kind of this issue handle, well and with
// every failure that echoes them, are in no status, event, log line, metric and
// file of the engine.
func TestCase38Canary(t *testing.T) {
	s := up(t)
	encoded := base64.StdEncoding.EncodeToString([]byte(canary))
	s.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: vars, namespace: $ns}\nstringData: {password: "+canary+"}\n",
		"apiVersion: v1\nkind: Secret\nmetadata: {name: login, namespace: $ns}\nstringData: {username: me, password: "+canary+"}\n")
	secret := "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: $ns"
	s.commit(files{
		"plain/a.yaml":       secret + "}\ndata: {a: " + encoded + "}\n",
		"clear/a.yaml":       strings.Replace(secret, "name: s", "name: clear", 1) + "}\nstringData: {a: " + canary + "}\n",
		"substituted/a.yaml": strings.Replace(secret, "name: s", "name: t", 1) + "}\nstringData: {a: \"${password}\"}\n",
		"invalid/a.yaml":     strings.Replace(secret, "name: s", "name: u", 1) + "}\ndata: {a: " + garbled + "}\n",
		"typed/a.yaml":       strings.Replace(secret, "name: s", "name: v", 1) + "}\ntype: kubernetes.io/dockerconfigjson\nstringData: {.dockerconfigjson: " + canary + "}\n",
		"number/a.yaml":      strings.Replace(secret, "name: s", "name: w", 1) + "}\ndata: {a: {" + canary + ": 1}}\n",
		"name/a.yaml":        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: $ns}\nimmutable: \"${password}\"\n",
		"immutable/a.yaml":   strings.Replace(secret, "name: s", "name: fixed", 1) + "}\nimmutable: true\nstringData: {a: " + canary + "}\n",
	})
	with := "postBuild: {substituteFrom: [{kind: Secret, name: vars}]}"
	s.apply(source)
	for _, name := range []string{"plain", "clear", "substituted", "invalid", "typed", "number", "name", "immutable"} {
		s.apply(kustomization(name, "path: ./"+name, with))
	}
	s.apply(strings.NewReplacer("name: fleet", "name: login", repository, "https://me:"+canary+"@git.example.com/none?token="+canary,
		"  ref:", "  secretRef: {name: login}\n  ref:").Replace(source))
	for _, name := range []string{"plain", "clear", "substituted", "immutable"} {
		s.ready(name)
	}
	for _, name := range []string{"invalid", "typed", "number", "name"} {
		s.unit(name, anyReady)
	}
	s.patch("Secret/s", `{data: {a: b3RoZXI=}}`) // drift of a secret, in both ways
	s.has("Secret/s", `"`+encoded+`"`, "data", "a")
	s.patch("Secret/s", `{data: {more: `+encoded+`}}`)
	s.commit(files{"immutable/a.yaml": strings.Replace(secret, "name: s", "name: fixed", 1) + "}\nimmutable: true\nstringData: {a: " + canary + "2}\n"})
	s.fails("immutable", "ReconciliationFailed")
	s.idle()
	s.stop() // which writes the events that are still gathered
	for where, text := range s.exposed() {
		for _, form := range []string{canary, garbled, encoded, strings.TrimRight(encoded, "=")} {
			if at := strings.Index(text, form); at >= 0 {
				t.Errorf("%s holds a secret: …%s", where, text[max(0, at-200):min(len(text), at+60)])
			}
		}
	}
}

// exposed is everything that the engine says, by place.
func (s *stand) exposed() map[string]string {
	s.Helper()
	out := map[string]string{"the log": string(slices.Clone(s.logs.text))}
	for _, kind := range []string{"Kustomization/x", "GitRepository/x"} {
		list, err := s.client(s.key(kind).GroupKind(), s.ns).List(context.Background(), metav1.ListOptions{})
		s.must(err)
		for _, o := range list.Items {
			status, err := json.Marshal(o.Object["status"])
			s.must(err)
			out["the status of "+o.GetKind()+" "+o.GetName()] = string(status)
		}
	}
	events, err := s.client(s.key("/Event/x").GroupKind(), s.ns).List(context.Background(), metav1.ListOptions{})
	s.must(err)
	if len(events.Items) == 0 {
		s.Error("no events were found to look at")
	}
	for _, o := range events.Items {
		text, err := json.Marshal(o.Object)
		s.must(err)
		out["event "+o.GetName()] = string(text)
	}
	families, err := s.app.Metrics().Gather()
	s.must(err)
	for _, f := range families {
		out["metric "+f.GetName()] = f.String()
	}
	s.must(filepath.WalkDir(s.cfg.DataDir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			s.Errorf("%s can be read by others: %s", p, info.Mode())
		}
		text, err := os.ReadFile(p)
		if !strings.HasPrefix(string(text), "\x1f\x8b") { // an artifact holds what the repository holds
			out[p] = string(text)
		}
		return err
	}))
	return out
}
