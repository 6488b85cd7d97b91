package kube

import (
	"bufio"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
)

// counter is the metric that counts requests.
const counter = "apiserver_request_total{"

// maxMetricsLine bounds a line of /metrics, in bytes.
const maxMetricsLine = 1 << 20

// Sort is what requests are told apart by.
type Sort struct {
	Verb        string // upper case; APPLY for a server-side apply
	Resource    string // empty for discovery, OpenAPI and probes
	Subresource string // for those, what was asked
	Code        int
	DryRun      bool
}

// Counts are numbers of requests.
type Counts map[Sort]int

// ParseMetrics sums apiserver_request_total by what Sort tells apart. A watch is
// counted by the server when it ends.
func ParseMetrics(r io.Reader) (Counts, error) {
	counts := Counts{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxMetricsLine)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), counter)
		if !ok {
			continue
		}
		labels, value, err := parseSample(rest)
		if err != nil {
			return nil, fmt.Errorf("parse %q: %w", lines.Text(), err)
		}
		code, _ := strconv.Atoi(labels["code"])
		counts[Sort{
			Verb: labels["verb"], Resource: labels["resource"], Subresource: labels["subresource"],
			Code: code, DryRun: labels["dry_run"] != "",
		}] += value
	}
	return counts, lines.Err()
}

// parseSample reads `name="value",…} 12`.
func parseSample(s string) (map[string]string, int, error) {
	labels := map[string]string{}
	for !strings.HasPrefix(s, "}") {
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			return nil, 0, fmt.Errorf("no label at %.40q", s)
		}
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return nil, 0, fmt.Errorf("label %s: %w", name, err)
		}
		if labels[name], err = strconv.Unquote(quoted); err != nil {
			return nil, 0, fmt.Errorf("label %s: %w", name, err)
		}
		s = strings.TrimPrefix(rest[len(quoted):], ",")
	}
	fields := strings.Fields(s[1:])
	if len(fields) == 0 {
		return nil, 0, fmt.Errorf("no value")
	}
	value, err := strconv.ParseFloat(fields[0], 64)
	return labels, int(value), err
}

// Add returns the sums.
func (c Counts) Add(other Counts) Counts { return c.merge(other, 1) }

// Sub returns what was counted since before; what is 0 is left out.
func (c Counts) Sub(before Counts) Counts { return c.merge(before, -1) }

func (c Counts) merge(other Counts, sign int) Counts {
	sum := Counts{}
	for s, n := range c {
		sum[s] = n
	}
	for s, n := range other {
		if sum[s] += sign * n; sum[s] == 0 {
			delete(sum, s)
		}
	}
	return sum
}

// Total is the number of requests.
func (c Counts) Total() int {
	total := 0
	for _, n := range c {
		total += n
	}
	return total
}

// Named is a number with what it counts.
type Named struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

// Verbs are the numbers by verb, the largest first.
func (c Counts) Verbs() []Named {
	return c.by(func(s Sort) string { return s.Verb })
}

// Top are the numbers by verb, resource and subresource, the largest first.
func (c Counts) Top() []Named {
	return c.by(func(s Sort) string {
		name := s.Verb + " " + s.Resource
		switch {
		case s.Resource == "":
			name = s.Verb + " /" + strings.TrimPrefix(s.Subresource, "/")
		case s.Subresource != "":
			name += "/" + s.Subresource
		}
		if s.DryRun {
			name += " (dry run)"
		}
		return name
	})
}

// Failed are the numbers of answers that were errors, by code and resource.
func (c Counts) Failed() []Named {
	failed := Counts{}
	for s, n := range c {
		if s.Code >= 400 {
			failed[s] = n
		}
	}
	return failed.by(func(s Sort) string { return strconv.Itoa(s.Code) + " " + s.Verb + " " + s.Resource })
}

func (c Counts) by(name func(Sort) string) []Named {
	sums := map[string]int{}
	for s, n := range c {
		sums[name(s)] += n
	}
	var all []Named
	for name, n := range sums {
		if n != 0 {
			all = append(all, Named{name, n})
		}
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].N != all[j].N {
			return all[i].N > all[j].N
		}
		return all[i].Name < all[j].Name
	})
	return all
}
