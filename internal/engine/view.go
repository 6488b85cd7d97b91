package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/world"
)

// view reads a world and notes what was read.
type view struct {
	world world.World
	rec   *record.Recorder
	at    string // the ID of another cluster that it reads; empty is the engine's own
}

// get returns an object, nil when there is none; both are answers.
func (v view) get(ctx context.Context, ref object.Ref) (*unstructured.Unstructured, error) {
	obj, err := v.world.Get(ctx, ref)
	if apierrors.IsNotFound(err) {
		v.note(ref.Key, record.Miss)
		return nil, nil
	}
	if apimeta.IsNoMatchError(err) {
		v.kind(ref.Group)
	}
	if err != nil {
		v.note(ref.Key, record.Miss) // its coming brings the next run
		return nil, fmt.Errorf("read %s: %w", ref.Key, err)
	}
	v.note(ref.Key, hash.OfString(obj.GetResourceVersion()))
	return obj, nil
}

// source returns a source to build from. Its new artifacts wake the unit by
// what they change in it, so it is noted apart from other reads.
func (v view) source(ctx context.Context, ref object.Ref) (*unstructured.Unstructured, error) {
	v.rec.Note(record.Read{Space: record.Object, Key: SourceSubject(ref.Key)})
	return view{world: v.world, rec: &record.Recorder{}}.get(ctx, ref)
}

func (v view) note(key object.Key, answer hash.ID) {
	v.rec.Note(record.Read{Space: record.Object, Key: At(v.at, Subject(key)), Answer: answer})
}

// managed notes that a managed object matters: what we own of it.
func (v view) managed(key object.Key) {
	v.rec.Note(record.Read{Space: record.Object, Key: At(v.at, ManagedSubject(key))})
}

// health notes that the health of a managed object matters.
func (v view) health(key object.Key) {
	v.rec.Note(record.Read{Space: record.Object, Key: At(v.at, HealthSubject(key))})
}

// kind notes that the coming of a kind matters.
func (v view) kind(group string) {
	v.rec.Note(record.Read{Space: record.Schema, Key: At(v.at, KindSubject(group))})
}

// Subject names an object in read-sets and wakes.
func Subject(key object.Key) string {
	text, err := json.Marshal([4]string{key.Group, key.Kind, key.Namespace, key.Name})
	if err != nil {
		return key.String() // unreachable: strings are always JSON
	}
	return string(text)
}

// KeyOfSubject reads what Subject writes; false for other subjects.
func KeyOfSubject(s string) (object.Key, bool) {
	var parts [4]string
	if len(s) == 0 || s[0] != '[' || json.Unmarshal([]byte(s), &parts) != nil {
		return object.Key{}, false
	}
	return object.Key{Group: parts[0], Kind: parts[1], Namespace: parts[2], Name: parts[3]}, true
}

// ManagedSubject names what we own of a managed object.
func ManagedSubject(key object.Key) string { return "managed" + Subject(key) }

// SourceSubject names a source as something to build from.
func SourceSubject(key object.Key) string { return "source" + Subject(key) }

// repositories notes that a HelmRepository which is made or changed in a
// namespace matters, whatever its name.
func (v view) repositories(namespace string) {
	v.rec.Note(record.Read{Space: record.Object, Key: RepositoriesSubject(namespace)})
}

// RepositoriesSubject names all HelmRepositories of a namespace.
func RepositoriesSubject(namespace string) string { return "chart repositories of " + namespace }

// HealthSubject names the health of a managed object.
func HealthSubject(key object.Key) string { return "health" + Subject(key) }

// KeyOfHealth reads what HealthSubject writes; false for other subjects.
func KeyOfHealth(s string) (object.Key, bool) {
	rest, ok := strings.CutPrefix(s, "health")
	if !ok {
		return object.Key{}, false
	}
	return KeyOfSubject(rest)
}

// KindSubject names the kinds that an API group has.
func KindSubject(group string) string { return "kinds of " + group }
