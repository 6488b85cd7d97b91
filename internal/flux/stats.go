package flux

import (
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/unit"
)

// StatsHeader is the header of `stats`.
var StatsHeader = []string{"Reconcilers", "Running", "Failing", "Suspended", "Storage"}

// StatsKinds are the kinds that `stats` counts, in its order.
var StatsKinds = []string{
	"GitRepository", "OCIRepository", "HelmRepository", "HelmChart", "Bucket", "Kustomization", "HelmRelease",
	"Alert", "Provider", "Receiver", "ImageUpdateAutomation", "ImagePolicy", "ImageRepository",
}

// Stats counts the objects of a kind (flux2 v2.9.5, cmd/flux/stats.go).
type Stats struct {
	Kind      string `json:"kind"`
	Running   int    `json:"running"`
	Failing   int    `json:"failing"`
	Suspended int    `json:"suspended"`
	Bytes     int64  `json:"bytes"` // of the artifacts
}

// StatsOf counts objects of one kind.
func StatsOf(kind string, objs []*unstructured.Unstructured) Stats {
	s := Stats{Kind: kind}
	for _, obj := range objs {
		if Suspended(obj) {
			s.Suspended++
		} else {
			s.Running++
		}
		if status, err := unit.StatusOf(obj); err == nil {
			if ready := status.Ready(); ready != nil && ready.Status == "False" {
				s.Failing++
			}
		}
		size, _, _ := unstructured.NestedInt64(obj.Object, "status", "artifact", "size")
		s.Bytes += size
	}
	return s
}

// Row is the row under StatsHeader.
func (s Stats) Row() []string {
	return []string{s.Kind, strconv.Itoa(s.Running), strconv.Itoa(s.Failing), strconv.Itoa(s.Suspended), size(s.Bytes)}
}

// size writes bytes in units of 1024.
func size(bytes int64) string {
	switch {
	case bytes == 0:
		return "-"
	case bytes < 1024:
		return fmt.Sprintf("%d B", bytes)
	}
	value, prefix := float64(bytes)/1024, 0
	for ; value >= 1024; value /= 1024 {
		prefix++
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTPE"[prefix])
}
