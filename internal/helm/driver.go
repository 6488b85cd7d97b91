package helm

import (
	"context"
	"errors"

	relv1 "helm.sh/helm/v4/pkg/release/v1"
)

var errTodo = errors.New("not implemented yet")

type fix struct{}

// Identity is whom a driver acts as; the zero value is the engine itself.
type Identity struct {
	User   string
	Groups []string
}

// Driver acts on the releases of one cluster as one identity.
type Driver struct{}

// Observe returns the history of a release in storage, oldest first; empty when
// Helm knows none of that name. One LIST.
func (d *Driver) Observe(ctx context.Context, storageNamespace, name string) ([]*relv1.Release, error) {
	return nil, errTodo
}

// Install makes the first version of a release. The chart's CRDs come first.
func (d *Driver) Install(ctx context.Context, job Job) (Outcome, error) { return Outcome{}, errTodo }

// Upgrade makes another version of a release that storage knows.
func (d *Driver) Upgrade(ctx context.Context, job Job) (Outcome, error) { return Outcome{}, errTodo }

// Rollback makes another version with the manifest of an earlier one.
func (d *Driver) Rollback(ctx context.Context, job Job, version int) (Outcome, error) {
	return Outcome{}, errTodo
}

// Uninstall deletes the objects of a release and, unless spec.uninstall keeps
// it, its history. A release that storage does not know is no error: Written is
// empty then. Chart and Values of the job are not read.
func (d *Driver) Uninstall(ctx context.Context, job Job, at Place) (Outcome, error) {
	return Outcome{}, errTodo
}

// Place is where storage keeps a release.
type Place struct{ StorageNamespace, Namespace, Name string }

// Test runs the tests of the newest version that spec.test selects.
func (d *Driver) Test(ctx context.Context, job Job) (Outcome, error) { return Outcome{}, errTodo }

// Unlock marks the newest version as failed if whoever wrote it did not finish.
func (d *Driver) Unlock(ctx context.Context, job Job) (Outcome, error) { return Outcome{}, errTodo }

// Diff compares the manifest of a stored release with the cluster by
// server-side dry runs. It returns what it found together with an error when
// some objects could not be compared.
func (d *Driver) Diff(ctx context.Context, job Job, rel *relv1.Release) (Drift, error) {
	return Drift{}, errTodo
}

// Correct creates and changes what Diff found.
func (d *Driver) Correct(ctx context.Context, job Job, drift Drift) (Corrected, error) {
	return Corrected{}, errTodo
}
