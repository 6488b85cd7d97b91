package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/leat-dev/leat/bench/kube"
)

// Report is what the harness prints.
type Report struct {
	Machine Machine  `json:"machine"`
	Command string   `json:"command"`
	Results []Result `json:"results"`
}

// Machine is where it was measured.
type Machine struct {
	Date      string `json:"date"`
	Cores     int    `json:"cores"`
	MemoryGiB int    `json:"memoryGiB"`
	Platform  string `json:"platform"`
	Go        string `json:"go"`
}

func thisMachine() Machine {
	m := Machine{
		Date: time.Now().UTC().Format(time.DateOnly), Cores: runtime.NumCPU(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(),
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kib int
		if _, err := fmt.Sscanf(string(b), "MemTotal: %d kB", &kib); err == nil {
			m.MemoryGiB = (kib + 1<<19) >> 20
		}
	}
	return m
}

func (r Report) print(w io.Writer, format string) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	_, err := io.WriteString(w, r.markdown())
	return err
}

// markdown is made to be pasted into docs/benchmarks.md.
func (r Report) markdown() string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "%s: %d cores, %d GiB, %s, %s. Everything shares this machine.\n\n    %s\n\n", m.Date, m.Cores, m.MemoryGiB, m.Platform, m.Go, r.Command)
	b.WriteString("| row | N | all Ready s | p50 / p95 s | object s | source s | API requests (per unit) | engine CPU s | engine peak MiB | control plane CPU s / peak MiB | git refs / packs | harness CPU s |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, x := range r.Results {
		b.WriteString(x.line())
	}
	for _, x := range r.Results {
		b.WriteString(x.notes())
	}
	return b.String()
}

func (r Result) line() string {
	cells := []string{
		r.Row, count(r.N), seconds(r.Wall), seconds(r.P50) + " / " + seconds(r.P95), seconds(r.Object), seconds(r.Source),
		r.requests(), seconds(r.EngineCPU), memory(r.EnginePeak),
		seconds(r.ControlPlane.CPU) + " / " + memory(r.ControlPlane.Peak),
		fmt.Sprintf("%d / %d", r.Git.Refs, r.Git.Packs), seconds(r.HarnessCPU),
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

func (r Result) requests() string {
	switch {
	case r.Rate > 0:
		return fmt.Sprintf("%.0f a second", r.Rate)
	case r.N == 0 || r.Verbs == nil:
		return "-"
	}
	return fmt.Sprintf("%d (%.1f)", r.Requests, float64(r.Requests)/float64(r.N))
}

// notes are what does not fit into the table.
func (r Result) notes() string {
	var b strings.Builder
	title := fmt.Sprintf("\n%s, N=%d: ", r.Row, r.N)
	if len(r.Engines) > 1 {
		var parts []string
		for _, name := range sortedKeys(r.Engines) {
			parts = append(parts, fmt.Sprintf("%s %s CPU s, %s MiB", name, seconds(r.Engines[name].CPU), memory(r.Engines[name].Peak)))
		}
		b.WriteString(title + strings.Join(parts, "; ") + ".\n")
	}
	if s := r.Steady; s != nil {
		fmt.Fprintf(&b, "%sa minute, engine %.2f CPU s; %.0f requests above the %.0f without an engine; control plane %.2f CPU s, %.2f without an engine.\n",
			title, s.EngineCPU, s.Requests, s.IdleRequests, s.ServerCPU, s.IdleCPU)
	}
	if len(r.Drifts) > 0 {
		b.WriteString(title + drifted(r.Drifts) + "\n")
	}
	if len(r.Top) > 0 && r.Rate == 0 {
		b.WriteString(title + "requests " + listed(r.Verbs) + ". Top: " + listed(r.Top[:min(len(r.Top), maxTop)]) + ".\n")
	}
	if len(r.Failed) > 0 {
		b.WriteString(title + "answers that were errors: " + listed(r.Failed) + ".\n")
	}
	return b.String()
}

// maxTop is how many sorts of requests are listed.
const maxTop = 20

// soon is within what a drift should be corrected; it is reported, not asserted.
const soon = 2.0

func drifted(all []Drift) string {
	inTime, slowest := 0, Drift{}
	var stayed, each []string
	for _, d := range all {
		if !d.Corrected {
			stayed = append(stayed, d.Name)
			continue
		}
		if d.Seconds <= soon {
			inTime++
		}
		if d.Seconds > slowest.Seconds {
			slowest = d
		}
		each = append(each, fmt.Sprintf("%s %.2f", d.Name, d.Seconds))
	}
	text := fmt.Sprintf("%d of %d drifts corrected within %.0f s", inTime, len(all), soon)
	if slowest.Name != "" {
		text += fmt.Sprintf(", the slowest after %.2f s (%s)", slowest.Seconds, slowest.Name)
	}
	if len(stayed) > 0 {
		text += "; not corrected: " + strings.Join(stayed, ", ")
	}
	if len(each) > 0 {
		text += ". Seconds: " + strings.Join(each, "; ")
	}
	return text + "."
}

func listed(all []kube.Named) string {
	var parts []string
	for _, n := range all {
		parts = append(parts, fmt.Sprintf("%s %d", n.Name, n.N))
	}
	return strings.Join(parts, ", ")
}

func sortedKeys(m map[string]Process) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func seconds(s float64) string {
	if s == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", s)
}

func memory(m float64) string {
	if m == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", m)
}

func count(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}
