package gate

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/secret"
)

// Digest names what an environment, or one unit of it, holds: sha256:<hex>. Equal
// digests mean equal objects, however they came to be: another commit, another
// base, a comment, a file moved.
type Digest string

// Short is what people compare by eye.
func (d Digest) Short() string {
	if len(d) > len("sha256:")+12 {
		return string(d[:len("sha256:")+12])
	}
	return string(d)
}

// Seal makes the digests of one repository. The values of Secrets enter it as
// HMAC-SHA256 under its key, so that a digest that travels does not tell whether a
// guess is right to those who cannot read the repository.
type Seal struct{ key secret.Key }

// SealOf is the seal of a repository: its address, however it is written, and the word that its
// leat.yaml declares as seal. Without that word a digest tells who knows the address
// whether a guess of all secrets of a unit together is right.
func SealOf(repository, word string) Seal {
	key := sha256.Sum256([]byte("leat.dev/approval/v1\x00" + mirror.Normalize(repository) + "\x00" + word))
	return Seal{key[:]}
}

// Unit is the digest of what one unit asks for: objects as they are built, after
// substitution. Their order does not count, nor what only names a revision.
func (s Seal) Unit(objs []*unstructured.Unstructured) (Digest, error) {
	lines := make([]string, 0, len(objs))
	for _, obj := range objs {
		line, err := json.Marshal(unrevised(s.sealed(obj)).Object)
		if err != nil {
			return "", fmt.Errorf("digest of %s: %w", object.RefOf(obj), err)
		}
		lines = append(lines, string(line))
	}
	return sum(lines), nil
}

// sealed is an object without the values of a core Secret: each is its HMAC, in data,
// whether it was written there or in stringData.
func (s Seal) sealed(obj *unstructured.Unstructured) *unstructured.Unstructured {
	if obj.GetKind() != "Secret" || obj.GroupVersionKind().Group != "" {
		return obj
	}
	out := obj.DeepCopy()
	data := map[string]any{}
	for name, v := range fieldOf(obj, "data") {
		text, isText := v.(string)
		clear, err := base64.StdEncoding.DecodeString(text)
		if !isText || err != nil {
			clear = fmt.Append(nil, "as written: ", v) // no value that a server would take
		}
		data[name] = s.value(secret.OfBytes(clear))
	}
	for name, v := range fieldOf(obj, "stringData") {
		data[name] = s.value(secret.Of(fmt.Sprint(v)))
	}
	delete(out.Object, "stringData")
	out.Object["data"] = data
	if last, has := obj.GetAnnotations()[lastApplied]; has { // repeats the values
		annotations := out.GetAnnotations()
		annotations[lastApplied] = s.value(secret.Of(last))
		out.SetAnnotations(annotations)
	}
	return out
}

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

func (s Seal) value(v secret.Value) string {
	d := s.key.Digest(v)
	return hex.EncodeToString(d[:])
}

func fieldOf(obj *unstructured.Unstructured, name string) map[string]any {
	m, _ := obj.Object[name].(map[string]any)
	return m
}

// Parts is the digest of a unit that is made of texts with names. They may hold
// secrets.
func (s Seal) Parts(texts map[string]string) Digest {
	lines := make([]string, 0, len(texts))
	for name, text := range texts {
		lines = append(lines, name+" "+s.value(secret.Of(text)))
	}
	return sum(lines)
}

// In is the digest of a unit that works in another cluster, by the name of what leads
// there (unit.Elsewhere); empty is the environment's own.
func (d Digest) In(cluster string) Digest {
	if cluster == "" {
		return d
	}
	return sum([]string{"in " + cluster, string(d)})
}

// Environment is the digest of all its units.
func Environment(units map[object.Key]Digest) Digest {
	lines := make([]string, 0, len(units))
	for key, digest := range units {
		lines = append(lines, object.InventoryID(key)+" "+string(digest))
	}
	return sum(lines)
}

// sum is the digest of lines in any order.
func sum(lines []string) Digest {
	slices.Sort(lines)
	h := sha256.New()
	for _, line := range lines {
		fmt.Fprintf(h, "%d %s\n", len(line), line)
	}
	return Digest("sha256:" + hex.EncodeToString(h.Sum(nil)))
}

// revisions are annotations and labels that tell which commit made an object.
var revisions = []string{"kustomize.toolkit.fluxcd.io/checksum", "fluxcd.io/sync-checksum", "reconcile.fluxcd.io/requestedAt"}

// unrevised is an object without what only names a revision. It may share with obj,
// which is not changed.
func unrevised(obj *unstructured.Unstructured) *unstructured.Unstructured {
	names := func(m map[string]string) bool {
		return slices.ContainsFunc(revisions, func(name string) bool { _, has := m[name]; return has })
	}
	if !names(obj.GetAnnotations()) && !names(obj.GetLabels()) {
		return obj
	}
	out := obj.DeepCopy()
	without := func(m map[string]string) map[string]string {
		for _, name := range revisions {
			delete(m, name)
		}
		if len(m) == 0 {
			return nil
		}
		return m
	}
	out.SetAnnotations(without(out.GetAnnotations()))
	out.SetLabels(without(out.GetLabels()))
	return out
}

// Valid tells whether a text can be a digest.
func (d Digest) Valid() bool {
	digits, found := strings.CutPrefix(string(d), "sha256:")
	raw, err := hex.DecodeString(digits)
	return found && err == nil && len(raw) == sha256.Size && digits == strings.ToLower(digits)
}
