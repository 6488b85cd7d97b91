package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leat-dev/leat/bench/fleet"
)

// leat is the engine that is measured unless another is named.
const leat = "bin/leat controller --kubeconfig {kubeconfig} --enable-leader-election --storage-path {dir}/data" +
	" --storage-addr 127.0.0.1:{port} --storage-adv-addr 127.0.0.1:{port} --health-addr= --metrics-addr="

// config is what the flags say.
type config struct {
	controlPlane string
	engines      []string
	noEngine     bool
	install      string
	account      string // namespace/name that the engine runs as
	up, upReady  string
	rows         []string
	sizes        []int
	repeat       int
	namespaces   int
	interval     time.Duration
	timeout      time.Duration // of each phase
	window       time.Duration
	settle       time.Duration
	linger       time.Duration
	driftWait    time.Duration
	out          string
	keep         bool
	log          io.Writer
}

// rowNames are all rows, in the order in which they run.
var rowNames = []string{"up", "ceiling", "A", "D", "drift", "E", "G", "memory", "B", "B-oci", "C", "C-values", "C-drift", "C-steady", "F"}

// chained are the rows that one fleet goes through, one after the other;
// released are those of a fleet of HelmReleases.
var (
	chained  = []string{"A", "D", "drift", "E", "G", "memory"}
	released = []string{"C", "C-values", "C-drift", "C-steady"}
)

func parse(args []string, usage io.Writer) (config, error) {
	c := config{}
	f := flag.NewFlagSet("harness", flag.ContinueOnError)
	f.SetOutput(usage)
	f.StringVar(&c.controlPlane, "control-plane", "bin/leat control-plane --data-dir {dir} --exit-with-stdin", "`command` that runs Kubernetes and says where as one line of JSON")
	f.Func("engine", "`command` of the engine, repeatable; {kubeconfig}, {server}, {dir} and {port} are replaced (default "+strconv.Quote(leat)+")", func(s string) error {
		c.engines = append(c.engines, s)
		return nil
	})
	f.BoolVar(&c.noEngine, "engine-none", false, "run no engine: only what the control plane and the harness do")
	f.StringVar(&c.install, "install", "", "`command` that installs the CRDs, with KUBECONFIG set (default: those of this repository)")
	f.StringVar(&c.account, "service-account", "", "`namespace/name` that the engine runs as; it must exist after --install (default: cluster admin)")
	f.StringVar(&c.up, "up", "", "`command` for the row up, such as \"bin/leat up --once --data-dir {dir} examples/platform\"")
	f.StringVar(&c.upReady, "up-ready", "(?i)kubernetes.*ready", "`pattern` of the line by which it says that Kubernetes is ready")
	rows := f.String("rows", "A,D,E", "`rows` to measure: "+strings.Join(rowNames, ", "))
	sizes := f.String("n", "100", "`numbers` of units, such as 100,500,1000")
	f.IntVar(&c.repeat, "repeat", 1, "`times` to measure everything; medians are printed")
	f.IntVar(&c.namespaces, "namespaces", 10, "`number` of namespaces the apps are spread over")
	f.DurationVar(&c.interval, "interval", time.Minute, "spec.interval of all sources and units")
	f.DurationVar(&c.timeout, "timeout", 10*time.Minute, "the longest that one phase may take")
	f.DurationVar(&c.window, "window", time.Minute, "how long the steady state is watched")
	f.DurationVar(&c.settle, "settle", 5*time.Second, "the pause after a start and before the steady state")
	f.DurationVar(&c.linger, "linger", time.Second, "how long after the end of a phase CPU time and requests still count")
	f.DurationVar(&c.driftWait, "drift-wait", 10*time.Second, "how long a drift may stay before the next is made")
	f.StringVar(&c.out, "out", "markdown", "`format` of the report: markdown or json")
	f.BoolVar(&c.keep, "keep", false, "keep the directories with logs and data")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	if f.NArg() > 0 {
		return c, fmt.Errorf("flags only, got %q", f.Args())
	}
	if err := c.setRows(*rows); err != nil {
		return c, err
	}
	if err := c.setSizes(*sizes); err != nil {
		return c, err
	}
	return c, c.check()
}

func (c *config) setRows(list string) error {
	for _, row := range strings.Split(list, ",") {
		if !slices.Contains(rowNames, row) {
			return fmt.Errorf("--rows: there is no row %q; there are %s", row, strings.Join(rowNames, ", "))
		}
		c.rows = append(c.rows, row)
	}
	return nil
}

func (c *config) setSizes(list string) error {
	for _, s := range strings.Split(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 9999 {
			return fmt.Errorf("--n: %q is no number from 1 to 9999", s)
		}
		c.sizes = append(c.sizes, n)
	}
	return nil
}

// withoutEngine are the rows that mean something without an engine.
var withoutEngine = []string{"up", "ceiling", "A", "E"}

func (c *config) check() error {
	if c.out != "markdown" && c.out != "json" {
		return fmt.Errorf("--out: %q is neither markdown nor json", c.out)
	}
	if c.repeat < 1 {
		return errors.New("--repeat must be at least 1")
	}
	if c.window <= 0 {
		return errors.New("--window must be longer than nothing")
	}
	for _, rows := range [][]string{chained, released} {
		if !c.has(rows[0]) && slices.ContainsFunc(c.rows, func(r string) bool { return slices.Contains(rows, r) }) {
			c.rows = append(c.rows, rows[0]) // the others need its fleet
		}
	}
	if c.noEngine {
		if len(c.engines) > 0 {
			return errors.New("--engine and --engine-none exclude each other")
		}
		for _, row := range c.rows {
			if !slices.Contains(withoutEngine, row) {
				return fmt.Errorf("row %s needs an engine; without one there are %s", row, strings.Join(withoutEngine, ", "))
			}
		}
		return nil
	}
	if len(c.engines) == 0 {
		c.engines = []string{leat}
	}
	return nil
}

func (c *config) has(row string) bool { return slices.Contains(c.rows, row) }

// session is a set of rows that one control plane serves.
type session struct {
	name string
	run  func(context.Context, config) ([]Result, error)
}

func (c *config) sessions() []session {
	var all []session
	add := func(name string, run func(context.Context, config) ([]Result, error)) {
		all = append(all, session{name, run})
	}
	if c.has("up") {
		add("row up", measureUp)
	}
	if c.has("ceiling") {
		add("row ceiling", measureCeiling)
	}
	for _, n := range c.sizes {
		if c.has("A") {
			add(fmt.Sprintf("N=%d", n), onFleet(c.fleet(n, fleet.OneSource), measureChained))
		}
		if c.has("B") {
			add(fmt.Sprintf("row B, N=%d", n), onFleet(c.fleet(n, fleet.SourceEach), measureApply("B")))
		}
		if c.has("B-oci") {
			add(fmt.Sprintf("row B-oci, N=%d", n), onFleet(c.fleet(n, fleet.RegistryEach), measureApply("B-oci")))
		}
		if c.has("C") {
			add(fmt.Sprintf("row C, N=%d", n), onFleet(c.fleet(n, fleet.Releases), measureReleases))
		}
	}
	if c.has("F") {
		add("row F", onFleet(c.fleet(chainLength, fleet.Chain), measureApply("F")))
	}
	return all
}

// chainLength is the number of units in row F.
const chainLength = 10

func (c *config) fleet(n int, shape fleet.Shape) fleet.Fleet {
	return fleet.New(fleet.Options{Apps: n, Shape: shape, Namespaces: c.namespaces, Interval: c.interval})
}
