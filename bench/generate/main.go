// Command generate writes a fleet to a directory, to drive any cluster with it:
// a bare Git repository, and the objects that deliver it as one file.
//
//	go run ./bench/generate --dir /tmp/fleet --apps 500 --url http://git.example.com/fleet.git
//	go run ./bench/generate --dir /tmp/fleet --apps 500 --serve
//
// With --serve it serves the repository on loopback until Ctrl-C, and the
// objects point there. It must never talk to a cluster.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/bench/fleet"
	"github.com/leat-dev/leat/bench/gitserver"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run() error {
	dir := flag.String("dir", "", "`directory` to write to; fleet.git and fleet.yaml must not be there (required)")
	apps := flag.Int("apps", 100, "`number` of apps")
	shape := flag.String("shape", string(fleet.OneSource), "`how` they hang together: one-source, source-each or chain")
	namespaces := flag.Int("namespaces", 10, "`number` of namespaces the apps are spread over")
	interval := flag.Duration("interval", time.Minute, "spec.interval of all objects")
	url := flag.String("url", "", "`address` of the repository for the objects")
	serve := flag.Bool("serve", false, "serve the repository on loopback until Ctrl-C")
	flag.Parse()
	if *dir == "" || flag.NArg() > 0 || *serve == (*url != "") {
		flag.Usage()
		return fmt.Errorf("want --dir, and one of --url and --serve")
	}
	switch fleet.Shape(*shape) {
	case fleet.OneSource, fleet.SourceEach, fleet.Chain:
	default:
		return fmt.Errorf("--shape: there is no shape %q", *shape)
	}
	f := fleet.New(fleet.Options{Apps: *apps, Shape: fleet.Shape(*shape), Namespaces: *namespaces, Interval: *interval})
	repo, err := fleet.CreateRepository(filepath.Join(*dir, "fleet.git"), f)
	if err != nil {
		return err
	}
	if !*serve {
		return writeObjects(*dir, f, *url)
	}
	s, err := gitserver.Start(gitserver.Best(repo.Dir))
	if err != nil {
		return err
	}
	defer s.Close()
	if err := writeObjects(*dir, f, s.URL()); err != nil {
		return err
	}
	fmt.Printf("%s serves %s; Ctrl-C ends it\n", s.URL(), repo.Revision())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	return nil
}

func writeObjects(dir string, f fleet.Fleet, url string) error {
	var b bytes.Buffer
	for _, o := range append(f.Setup(), f.Objects(url)...) {
		text, err := yaml.Marshal(o)
		if err != nil {
			return err
		}
		b.WriteString("---\n")
		b.Write(text)
	}
	return os.WriteFile(filepath.Join(dir, "fleet.yaml"), b.Bytes(), 0o644)
}
