// Command leat: everything but the embedded control plane, which needs
// Kubernetes itself linked in (see embedded/cmd/leat).
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	_ "golang.org/x/crypto/x509roots/fallback" // the image has no CA certificates of its own

	"github.com/leat-dev/leat/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Main(ctx, os.Args[1:], cli.Env{Program: filepath.Base(os.Args[0]), In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
