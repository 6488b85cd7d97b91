// Package fluxcli is the command line of Flux: the verbs of section 4 of the
// contract, with upstream's columns, flags, exit codes and streams (flux v2.9.5,
// cmd/flux). One file per verb.
//
//	os.Exit(fluxcli.Main(ctx, os.Args[1:], fluxcli.Env{…}))   // the program named flux
//	root.AddCommand(fluxcli.Verbs(fluxcli.Env{Own: true, …})...) // the same below leat
//
// Exit codes: 0 done, 1 it did not work. What a verb yields goes to stdout, what
// it does and what went wrong to stderr. Below leat some verbs show more (Own).
//
// It decides nothing about objects: what is shown is made in package flux. It
// must never print a secret that was not asked for by a flag.
package fluxcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/leat-dev/leat/internal/words"
)

// Contract is the release of Flux whose command line this is.
const Contract = "2.9.5"

// Env is what the command line stands in.
type Env struct {
	In       io.Reader
	Out, Err io.Writer
	// Own shows what Leat shows beyond Flux: below the name leat.
	Own bool
	// Version is that of the program.
	Version string
	// Now is the clock of ages; time.Now when nil.
	Now func() time.Time
	// Pause waits between two attempts; on the clock when nil.
	Pause func(context.Context, time.Duration) error
}

// Exit is an error with an exit code; its message was printed already when Err
// is nil.
type Exit struct {
	Code int
	Err  error
}

// Error returns the message, if there is one left to print.
func (e *Exit) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *Exit) Unwrap() error { return e.Err }

// program is one command line: the flags that all verbs share, and the streams.
type program struct {
	Env
	global *global
}

func newProgram(env Env) *program {
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.Pause == nil {
		env.Pause = pause
	}
	return &program{Env: env, global: newGlobal()}
}

// Main runs the program under the name flux and returns the exit code.
func Main(ctx context.Context, args []string, env Env) int {
	root := New(env)
	root.SetArgs(args)
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var exit *Exit
	if !errors.As(err, &exit) {
		exit = &Exit{1, err}
	}
	if exit.Err != nil {
		sign := "✗"
		if exit.Code == 1 && errors.As(err, new(*Warning)) {
			sign = "⚠️"
		}
		fmt.Fprintln(env.Err, sign, words.Plain(exit.Err.Error()))
	}
	return exit.Code
}

// Warning is an error that flux prints with ⚠️: something was found, nothing
// broke (flux2 v2.9.5, cmd/flux/main.go: RequestError with status code 1).
type Warning struct{ error }

// New returns the whole tree, named flux.
func New(env Env) *cobra.Command {
	p := newProgram(env)
	root := &cobra.Command{
		Use:   "flux",
		Short: "Command line of Flux, answered by Leat",
		Long: `The command line of Flux, answered by Leat: the same verbs, flags, columns and
exit codes as flux v` + Contract + `. Under its own name, leat shows more.`,
		Example: `  flux get all -A
  flux reconcile kustomization apps --with-source
  flux suspend kustomization apps
  flux tree kustomization flux-system`,
		Version:      Contract,
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: p.prepare,
	}
	p.global.register(root.PersistentFlags())
	p.completeGlobals(root)
	verbs := p.verbs()
	for _, verb := range verbs {
		exemplify(verb, "flux")
		root.AddCommand(verb)
	}
	p.mountPlugins(root, names(verbs))
	return root
}

// Verbs are the same verbs, each with the flags that all share, to be mounted
// below another root. Names that skip holds are left out.
func Verbs(env Env, skip ...string) []*cobra.Command {
	p := newProgram(env)
	var out []*cobra.Command
	for _, verb := range p.verbs() {
		if slices.Contains(skip, verb.Name()) {
			continue
		}
		p.global.register(verb.PersistentFlags())
		p.completeGlobals(verb)
		exemplify(verb, "leat")
		verb.PersistentPreRunE = p.prepare
		out = append(out, verb)
	}
	return out
}

// verbs are all verbs; each stands in a file of its name.
func (p *program) verbs() []*cobra.Command {
	return append([]*cobra.Command{
		p.newGet(), p.newReconcile(), p.newSuspend(), p.newResume(), p.newDelete(),
		p.newExport(), p.newEvents(), p.newStats(), p.newTrace(), p.newTree(), p.newDebug(),
		p.newLogs(), p.newVersion(), p.newCheck(),
	}, p.writers()...)
}

// exemplify writes the program's name before examples that begin with the verb.
func exemplify(verb *cobra.Command, program string) {
	walk(verb, func(cmd *cobra.Command) {
		lines := strings.Split(cmd.Example, "\n")
		for i, line := range lines {
			if words := strings.Fields(line); len(words) > 0 && words[0] == verb.Name() {
				lines[i] = "  " + program + " " + strings.TrimSpace(line)
			}
		}
		cmd.Example = strings.Join(lines, "\n")
	})
}

// walk visits a command and all below it.
func walk(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, below := range cmd.Commands() {
		walk(below, visit)
	}
}

// prepare settles the namespace before a verb runs.
func (p *program) prepare(cmd *cobra.Command, _ []string) error {
	if !cmd.Flags().Changed("namespace") && p.global.followsContext() {
		if of := p.global.contextNamespace(); of != "" {
			*p.global.kube.Namespace = of
		}
	}
	if wrong := validation.IsDNS1123Label(p.namespace()); len(wrong) > 0 {
		return fmt.Errorf("namespace must be a valid DNS label: %q", p.namespace())
	}
	return nil
}

// namespace is the one that the verb is about.
func (p *program) namespace() string { return *p.global.kube.Namespace }

// timeout bounds a verb by --timeout.
func (p *program) timeout(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	return context.WithTimeout(cmd.Context(), p.global.timeout)
}
