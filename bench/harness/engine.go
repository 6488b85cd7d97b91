package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/leat-dev/leat/bench/fleet"
	"github.com/leat-dev/leat/bench/kube"
	"github.com/leat-dev/leat/bench/proc"
)

// engine is one process of the engine under test.
type engine struct {
	name    string
	args    []string
	env     []string
	log     string
	process *proc.Process
}

// startEngines starts the commands of --engine. Each has a directory of its own
// that stays over a restart.
func (l *lab) startEngines(ctx context.Context) error {
	if l.noEngine {
		return nil
	}
	kubeconfig, err := l.engineKubeconfig(ctx)
	if err != nil {
		return err
	}
	for i, command := range l.config.engines {
		dir := filepath.Join(l.dir, fmt.Sprintf("engine-%d", i))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		port, err := freePort()
		if err != nil {
			return err
		}
		values := l.placeholders(kubeconfig, dir)
		values["port"] = port
		args := proc.Split(command, values)
		if len(args) == 0 {
			return errors.New("--engine is empty")
		}
		e := &engine{
			name: filepath.Base(args[0]), args: args, log: dir + ".log",
			env: []string{
				"KUBECONFIG=" + kubeconfig, "RUNTIME_NAMESPACE=" + fleet.System,
				// A restarted container keeps the name of its pod.
				"POD_NAMESPACE=" + fleet.System, fmt.Sprintf("POD_NAME=engine-%d", i),
			},
		}
		l.mu.Lock()
		l.engines = append(l.engines, e)
		l.mu.Unlock()
		if err := l.startEngine(e); err != nil {
			return err
		}
	}
	return nil
}

// freePort is a port of loopback that nothing listens on now. An engine keeps it
// over restarts, as it may have written it into addresses.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

func (l *lab) startEngine(e *engine) error {
	log, err := os.OpenFile(e.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	if e.process, err = proc.Start(proc.Command{Name: e.name, Args: e.args, Env: e.env, Log: log}); err != nil {
		return err
	}
	go l.guard(e.process)
	return nil
}

// killEngines is kill -9; restartEngines starts the same commands again.
func (l *lab) killEngines() {
	l.notePeaks()
	for _, e := range l.engines {
		e.process.Kill()
	}
}

func (l *lab) restartEngines() error {
	for _, e := range l.engines {
		if err := l.startEngine(e); err != nil {
			return err
		}
	}
	return nil
}

// stopEngines ends them as Kubernetes would.
func (l *lab) stopEngines() {
	l.notePeaks()
	for _, e := range l.engines {
		if e.process != nil {
			e.process.Stop(stopWithin)
		}
	}
	l.engines = nil
}

// notePeaks remembers the memory of processes that are about to end.
func (l *lab) notePeaks() {
	for _, e := range l.engines {
		if e.process == nil {
			continue
		}
		if u, err := proc.Read(e.process.PID()); err == nil {
			l.peaks[e.name] = max(l.peaks[e.name], u.Peak)
		}
	}
}

// engineKubeconfig is the admin's, or one of --service-account with a token.
func (l *lab) engineKubeconfig(ctx context.Context) (string, error) {
	if l.account == "" {
		return l.control.Kubeconfig, nil
	}
	namespace, name, ok := strings.Cut(l.account, "/")
	if !ok {
		return "", fmt.Errorf("--service-account %q is not namespace/name", l.account)
	}
	token, err := l.kube.Token(ctx, kube.Target{Kind: kube.ServiceAccounts, Namespace: namespace, Name: name}, 24*time.Hour)
	if err != nil {
		return "", err
	}
	b, err := withToken(l.control.Kubeconfig, token)
	if err != nil {
		return "", err
	}
	path := filepath.Join(l.dir, "engine.kubeconfig")
	return path, os.WriteFile(path, b, 0o600)
}

// withToken is a kubeconfig of the same server for the bearer of a token. It is
// JSON, which is YAML.
func withToken(kubeconfig, token string) ([]byte, error) {
	server, ca, err := kube.ServerOf(kubeconfig)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "bench",
		"clusters": []any{map[string]any{"name": "bench", "cluster": map[string]any{"server": server, "certificate-authority-data": ca}}},
		"users":    []any{map[string]any{"name": "bench", "user": map[string]any{"token": token}}},
		"contexts": []any{map[string]any{"name": "bench", "context": map[string]any{"cluster": "bench", "user": "bench"}}},
	})
}
