// Command harness measures an engine that implements Flux's APIs on the
// embedded control plane, everything on loopback:
//
//	go run ./bench/harness --rows A,D,E --n 100,500,1000 --out markdown
//	go run ./bench/harness --engine "source-controller …" --engine "kustomize-controller …"
//	go run ./bench/harness --engine-none --rows up,ceiling
//
// What each row is stands in bench/README.md. The harness reads objects back
// from the API server and fails when the engine reports Ready and Git and the
// API differ. It must never decide whether a figure is good.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: 0 all rows measured, 1 a row failed, 2 wrong use.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "harness:", err)
		return 2
	}
	c.log = stderr
	results, err := measureAll(ctx, c)
	report := Report{Machine: thisMachine(), Command: commandLine(args), Results: medians(results)}
	if printErr := report.print(stdout, c.out); printErr != nil {
		fmt.Fprintln(stderr, "harness:", printErr)
		return 1
	}
	if err != nil { // measureAll has said it when it happened
		return 1
	}
	return 0
}

// measureAll runs everything that was asked for, c.repeat times. A session that
// fails does not stop the others; what it measured before that is kept.
func measureAll(ctx context.Context, c config) ([]Result, error) {
	var all []Result
	var failed []error
	for range c.repeat {
		for _, s := range c.sessions() {
			if ctx.Err() != nil {
				fmt.Fprintln(c.log, "harness:", context.Cause(ctx))
				return all, errors.Join(append(failed, context.Cause(ctx))...)
			}
			results, err := s.run(ctx, c)
			all = append(all, results...)
			if err != nil {
				failed = append(failed, fmt.Errorf("%s: %w", s.name, err))
				fmt.Fprintln(c.log, "harness:", failed[len(failed)-1])
			}
		}
	}
	return all, errors.Join(failed...)
}

// commandLine is what to type to measure the same again.
func commandLine(args []string) string {
	words := []string{"go run ./bench/harness"}
	for _, a := range args {
		if a == "" || strings.ContainsAny(a, " {}$*()'\"") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}
