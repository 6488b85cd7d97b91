package remote

import (
	"strings"
	"testing"
)

const canary = "canary-7f3a9c51d2"

// A kubeconfig of one cluster and one user, with lines of theirs.
func kubeconfig(cluster, user string) string {
	return `{"apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
		"clusters": [{"name": "k", "cluster": {` + cluster + `}}], "users": [{"name": "u", "user": {` + user + `}}]}`
}

func TestParse(t *testing.T) {
	const server = `"server": "https://10.0.0.1:6443"`
	for name, c := range map[string]struct {
		text  string
		allow Allow
		want  string // in the error; empty: none
	}{
		"a token":              {kubeconfig(server, `"token": "t"`), Allow{}, ""},
		"a password":           {kubeconfig(server, `"username": "me", "password": "p"`), Allow{}, ""},
		"a proxy":              {kubeconfig(server+`, "proxy-url": "http://10.0.0.2:3128"`, `"token": "t"`), Allow{}, ""},
		"nobody":               {strings.Replace(kubeconfig(server, ``), `, "user": "u"`, "", 1), Allow{}, ""},
		"a program":            {kubeconfig(server, `"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "id", "interactiveMode": "Never"}`), Allow{}, "--insecure-kubeconfig-exec"},
		"a program, allowed":   {kubeconfig(server, `"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "id", "interactiveMode": "Never"}`), Allow{Exec: true}, ""},
		"an auth provider":     {kubeconfig(server, `"auth-provider": {"name": "gcp"}`), Allow{true, true}, "auth-provider"},
		"a file of a token":    {kubeconfig(server, `"tokenFile": "/t"`), Allow{true, true}, "tokenFile"},
		"a file of a key":      {kubeconfig(server, `"client-key": "/k"`), Allow{true, true}, "client-key file"},
		"a file of a cert":     {kubeconfig(server, `"client-certificate": "/k"`), Allow{true, true}, "client-certificate file"},
		"a file of a CA":       {kubeconfig(server+`, "certificate-authority": "/ca"`, ``), Allow{true, true}, "certificate-authority file"},
		"unverified":           {kubeconfig(server+`, "insecure-skip-tls-verify": true`, ``), Allow{}, "--insecure-kubeconfig-tls"},
		"unverified, allowed":  {kubeconfig(server+`, "insecure-skip-tls-verify": true`, ``), Allow{Insecure: true}, ""},
		"a credential in it":   {kubeconfig(`"server": "https://me:`+canary+`@10.0.0.1"`, ``), Allow{true, true}, "credential"},
		"another scheme":       {kubeconfig(`"server": "unix:///`+canary+`"`, ``), Allow{true, true}, "https://host:port"},
		"no server":            {kubeconfig(``, ``), Allow{true, true}, "https://host:port"},
		"no context":           {strings.Replace(kubeconfig(server, ``), `"current-context": "c"`, `"current-context": "d"`, 1), Allow{}, "current-context"},
		"no cluster":           {strings.Replace(kubeconfig(server, ``), `"name": "k"`, `"name": "l"`, 1), Allow{}, "no cluster"},
		"no user":              {strings.Replace(kubeconfig(server, ``), `"name": "u"`, `"name": "v"`, 1), Allow{}, "no user"},
		"no YAML":              {canary + ": {", Allow{}, "not a kubeconfig"},
		"another kind":         {`{"apiVersion": "v1", "kind": "` + canary + `"}`, Allow{}, "not a kubeconfig"},
		"nothing":              {"", Allow{}, "current-context"},
		"two credentials":      {kubeconfig(server, `"token": "`+canary+`", "username": "me", "password": "`+canary+`"`), Allow{}, ""},
		"a certificate, alone": {kubeconfig(server, `"client-certificate-data": "Y2FuYXJ5"`), Allow{}, "contradicts itself"},
		"a large one":          {strings.Repeat("#", maxKubeconfig+1), Allow{}, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := Parse([]byte(c.text), c.allow)
			if err == nil {
				if c.want != "" {
					t.Fatalf("got %s, want an error with %q", cfg.Host, c.want)
				}
				if _, err = Dial(Target{Config: cfg}, func(error) {}); err == nil {
					return
				}
			}
			if c.want == "" && !strings.Contains(name, "credentials") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), canary) {
				t.Errorf("got %q, want %q", err, c.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(kubeconfig(`"server": "https://h"`, `"token": "t"`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, err := Parse(text, Allow{})
		if err == nil && (cfg.ExecProvider != nil || cfg.AuthProvider != nil || cfg.Insecure || cfg.BearerTokenFile+cfg.CAFile+cfg.CertFile+cfg.KeyFile != "") {
			t.Errorf("got %v of %q", cfg, text)
		}
	})
}
