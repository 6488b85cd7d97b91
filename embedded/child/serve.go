package child

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// maxLog is the size above which the log starts anew at the next start, in bytes.
const maxLog = 16 << 20

// Message is the one line of JSON that the child writes to its stdout: where
// the cluster is, or why there is none.
type Message struct {
	Server     string  `json:"server,omitempty"`
	Kubeconfig string  `json:"kubeconfig,omitempty"`
	Version    string  `json:"version,omitempty"`
	PID        int     `json:"pid,omitempty"`
	Startup    float64 `json:"startup,omitempty"` // seconds
	Error      string  `json:"error,omitempty"`
}

// Run runs a control plane until ctx ends, with its log in log, and calls ready
// once.
type Run func(ctx context.Context, o Options, log io.Writer, ready func(Message)) error

// Serve is the child's side: it runs until SIGTERM, SIGINT or, when asked,
// until stdin closes. Everything that is printed to stderr goes to the log.
func Serve(o Options, run Run) error {
	err := serve(o, run)
	if err != nil {
		say(Message{Error: err.Error()})
	}
	if o.Remove {
		err = errors.Join(err, os.RemoveAll(o.DataDir))
	}
	return err
}

func serve(o Options, run Run) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if o.ExitWithStdin {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	log, err := openLog(o)
	if err != nil {
		return err
	}
	defer log.Close()
	return run(ctx, o, log, say)
}

func say(m Message) { _ = json.NewEncoder(os.Stdout).Encode(m) }

// openLog opens the log and makes it the process's stderr, so that a panic of
// a component is found in it.
func openLog(o Options) (*os.File, error) {
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("create data directory: %w; choose another one with --data-dir", err)
	}
	if info, err := os.Stat(o.LogPath()); err == nil && info.Size() > maxLog {
		_ = os.Truncate(o.LogPath(), 0)
	}
	log, err := os.OpenFile(o.LogPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w; choose another --data-dir", err)
	}
	if err := redirect(log, os.Stderr); err != nil {
		return nil, fmt.Errorf("send stderr to %s: %w", o.LogPath(), err)
	}
	return log, nil
}
