package drift

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
)

// Version is that of the JSON that a report becomes.
const Version = "leat.dev/drift/v1"

// signs stand before the objects in a text.
var signs = map[State]string{Changed: "~", Missing: "-", Extra: "+", Refused: "!"}

// said is how a state reads.
var said = map[State]string{
	Changed: "", Missing: "  is wanted and does not exist", Extra: "  is not wanted any more, and still there",
	Refused: "  cannot be compared",
}

// Text is the report for people; now tells how long ago a field was written.
func (r Report) Text(now time.Time) string {
	var b strings.Builder
	for _, u := range r.Units {
		switch {
		case u.Error != "":
			fmt.Fprintf(&b, "%s  could not be compared: %s\n", u.Key, u.Error)
		case len(u.Objects) > 0:
			u.text(&b, now)
		}
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(r.sum())
	return b.String()
}

func (u Unit) text(b *strings.Builder, now time.Time) {
	fmt.Fprintf(b, "%s  %s  %d of %d objects differ", u.Key, shortRevision(u.Revision), len(u.Objects), u.Compared)
	if u.Suspended {
		b.WriteString("  suspended: nothing puts them right")
	}
	b.WriteByte('\n')
	for _, o := range u.Objects {
		fmt.Fprintf(b, "  %s %s%s", signs[o.State], o.Ref.Key, said[o.State])
		if o.Why != "" {
			fmt.Fprintf(b, ": %s", o.Why)
		}
		b.WriteByte('\n')
		for _, f := range o.Fields {
			fmt.Fprintf(b, "      %s: %s, Git wants %s%s\n", f.Path, shown(f.Live), shown(f.Git), f.by(now))
		}
	}
}

// by says who wrote what is there, and when.
func (f Field) by(now time.Time) string {
	if f.Writer == nil {
		return ""
	}
	who := f.Writer.Manager
	if f.Writer.Subresource != "" {
		who += " (" + f.Writer.Subresource + ")"
	}
	if f.Writer.Since.IsZero() {
		return "  by " + who
	}
	return fmt.Sprintf("  by %s, %s ago", who, duration.HumanDuration(now.Sub(f.Writer.Since)))
}

func shown(v plan.Value) plan.Value {
	if v == "" {
		return "nothing"
	}
	return v
}

// shortRevision is main@sha1:0123abcd.
func shortRevision(revision string) string {
	name, digest, ok := strings.Cut(revision, ":")
	if !ok || len(digest) <= 8 {
		return revision
	}
	return name + ":" + digest[:8]
}

func (r Report) sum() string {
	units, objects := r.Drifted()
	failed := r.Failed()
	compared := 0
	for _, u := range r.Units {
		compared += u.Compared
	}
	text := fmt.Sprintf("%d objects of %d units are as Git wants them\n", compared, len(r.Units)-failed)
	if units > 0 {
		text = fmt.Sprintf("%d of %d objects differ from Git, in %d of %d units\n", objects, compared, units, len(r.Units))
	}
	if failed > 0 {
		text += fmt.Sprintf("%d units could not be compared\n", failed)
	}
	return text
}

// named is an object in JSON.
type named struct {
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

type objectJSON struct {
	named
	Object
}

type unitJSON struct {
	named
	Unit
	Objects []objectJSON `json:"objects"`
}

// JSON is the report for programs.
func (r Report) JSON() ([]byte, error) {
	units, objects := r.Drifted()
	out := struct {
		Version string     `json:"version"`
		Drift   bool       `json:"drift"`
		Objects int        `json:"objects"`
		Failed  int        `json:"failed"`
		Units   []unitJSON `json:"units"`
	}{Version: Version, Drift: units > 0, Objects: objects, Failed: r.Failed(), Units: make([]unitJSON, 0, len(r.Units))}
	for _, u := range r.Units {
		one := unitJSON{named: nameOf(u.Key, ""), Unit: u, Objects: make([]objectJSON, 0, len(u.Objects))}
		for _, o := range u.Objects {
			one.Objects = append(one.Objects, objectJSON{nameOf(o.Ref.Key, o.Ref.APIVersion()), o})
		}
		out.Units = append(out.Units, one)
	}
	return json.MarshalIndent(out, "", "  ")
}

func nameOf(k object.Key, apiVersion string) named {
	return named{apiVersion, k.Kind, k.Namespace, k.Name}
}
