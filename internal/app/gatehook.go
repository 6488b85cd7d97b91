package app

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
)

// hook hears a webhook. It says where to look and nothing else: who sends one that is
// old, or of another repository with the same secret, has us look once more.
func (g *Gate) hook(w http.ResponseWriter, r *http.Request) {
	if g.webhook == nil || len(g.cfg.Secrets) == 0 {
		http.Error(w, "this gate takes no webhooks: start it with --webhook-secret FILE", http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, forge.MaxAnswer))
	if err != nil {
		g.counts.webhooks.WithLabelValues("refused").Inc()
		http.Error(w, "the webhook is too long, or broke off", http.StatusRequestEntityTooLarge)
		return
	}
	secrets, err := readSecrets(g.cfg.Secrets)
	if err != nil {
		g.cfg.Log.Error("read the secrets of webhooks", "error", err)
		http.Error(w, "the secret cannot be read; see the gate's log", http.StatusInternalServerError)
		return
	}
	event, err := g.webhook(r.Header, body, secrets)
	if err != nil {
		g.counts.webhooks.WithLabelValues("refused").Inc()
		g.cfg.Log.Warn("a webhook is refused", "from", r.RemoteAddr, "error", err)
		http.Error(w, err.Error(), statusOf(err))
		return
	}
	result := "heard"
	select {
	case g.heard <- event:
	default:
		result = "dropped"
	}
	g.counts.webhooks.WithLabelValues(result).Inc()
	w.WriteHeader(http.StatusAccepted)
}

func statusOf(err error) int {
	switch fault.ClassOf(err) {
	case fault.Auth:
		return http.StatusUnauthorized
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// maxSecret bounds a file with a secret, in bytes.
const maxSecret = 4096

// readSecrets reads files that hold one secret each; an empty one is refused, since
// anybody could sign with it.
func readSecrets(files []string) ([]secret.Value, error) {
	var out []secret.Value
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(io.LimitReader(file, maxSecret))
		file.Close()
		text := strings.TrimSpace(string(data))
		switch {
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", name, err)
		case text == "":
			return nil, fmt.Errorf("%s holds no secret", name)
		}
		out = append(out, secret.Of(text))
	}
	return out, nil
}

// health says whether the forge answered lately.
func (g *Gate) health(w http.ResponseWriter, _ *http.Request) {
	last := time.Unix(g.looked.Load(), 0)
	if late := time.Since(last); late > 3*g.cfg.Serve.Every {
		http.Error(w, fmt.Sprintf("the forge did not answer for %s", late.Round(time.Second)), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}
