package helm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	ri "helm.sh/helm/v4/pkg/release"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
)

// secrets are Helm's storage: a Secret for each version of a release, as helm
// v4.2.4 pkg/storage/driver keeps them. What is read back is the same to the
// byte; it is packed at less cost (see packer).
type secrets struct {
	api   typed.SecretInterface
	pack  *packer
	large *crowd // that large releases share
	// unread hears of records that cannot be read, which are passed over.
	unread func(name string, err error)
}

var _ driver.Driver = (*secrets)(nil)

// Name is what Helm calls this kind of storage.
func (s *secrets) Name() string { return driver.SecretsDriverName }

// Get returns the release of a key.
func (s *secrets) Get(key string) (ri.Releaser, error) {
	found, err := s.api.Get(context.Background(), key, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, driver.ErrReleaseNotFound
	case err != nil:
		return nil, fmt.Errorf("get: failed to get %q: %w", key, err)
	}
	rel, err := (&unpacking{crowd: s.large}).record(found)
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	maps.DeleteFunc(rel.Labels, func(k, _ string) bool { return slices.Contains(driver.GetSystemLabels(), k) })
	return rel, nil
}

// List returns the releases that a filter takes.
func (s *secrets) List(filter func(ri.Releaser) bool) ([]ri.Releaser, error) {
	all, err := s.find(labels.Set{"owner": "helm"})
	var out []ri.Releaser
	for _, rel := range all {
		if filter(rel) {
			out = append(out, rel)
		}
	}
	return out, err
}

// Query returns the releases that have the labels; driver.ErrReleaseNotFound
// where there is no record of any.
func (s *secrets) Query(asked map[string]string) ([]ri.Releaser, error) {
	for _, v := range asked {
		if errs := validation.IsValidLabelValue(v); len(errs) != 0 {
			return nil, fmt.Errorf("invalid label value: %q: %s", v, strings.Join(errs, "; "))
		}
	}
	return s.find(asked)
}

func (s *secrets) find(asked labels.Set) ([]ri.Releaser, error) {
	found, err := s.list(asked)
	if err != nil {
		return nil, fmt.Errorf("query: failed to query with labels: %w", err)
	}
	if len(found) == 0 {
		return nil, driver.ErrReleaseNotFound
	}
	var out []ri.Releaser
	u := unpacking{crowd: s.large}
	for i := range found {
		rel, err := u.record(&found[i])
		if errors.Is(err, errCrowded) {
			return nil, err
		}
		if err != nil {
			s.unread(found[i].Name, err)
			continue
		}
		out = append(out, rel)
	}
	return out, nil
}

// listed is how many records are asked for at a time.
const listed = 32

// list returns the records that have the labels, newest first.
func (s *secrets) list(asked labels.Set) ([]corev1.Secret, error) {
	var all []corev1.Secret
	o := metav1.ListOptions{LabelSelector: asked.AsSelector().String(), Limit: listed}
	for {
		page, err := s.api.List(context.Background(), o)
		if err != nil {
			return nil, err
		}
		var passed []corev1.Secret
		all, passed = newest(append(all, page.Items...))
		for _, old := range passed {
			s.unread(old.Name, errHistory)
		}
		if o.Continue = page.Continue; o.Continue == "" {
			return all, nil
		}
	}
}

// Create stores a release that must not be there.
func (s *secrets) Create(key string, rel ri.Releaser) error {
	record, err := s.record(key, rel, "createdAt")
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	_, err = s.api.Create(context.Background(), record, metav1.CreateOptions{})
	switch {
	case apierrors.IsAlreadyExists(err):
		return driver.ErrReleaseExists
	case err != nil:
		return fmt.Errorf("create: failed to create: %w", err)
	}
	return nil
}

// Update stores a release in the place of what has its key.
func (s *secrets) Update(key string, rel ri.Releaser) error {
	record, err := s.record(key, rel, "modifiedAt")
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	if _, err := s.api.Update(context.Background(), record, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("update: failed to update: %w", err)
	}
	return nil
}

// Delete removes a release and returns what it was.
func (s *secrets) Delete(key string) (ri.Releaser, error) {
	rel, err := s.Get(key)
	if err != nil {
		return nil, err
	}
	return rel, s.api.Delete(context.Background(), key, metav1.DeleteOptions{})
}

// record returns the Secret of a release; stamp is the label that holds the time.
func (s *secrets) record(key string, rel ri.Releaser, stamp string) (*corev1.Secret, error) {
	v1, ok := rel.(*relv1.Release)
	if !ok {
		return nil, fmt.Errorf("store release %s: made with a chart API other than v2", key)
	}
	data, err := s.pack.release(v1)
	if err != nil {
		return nil, fmt.Errorf("failed to encode release %q: %w", v1.Name, err)
	}
	all := map[string]string{stamp: strconv.FormatInt(time.Now().Unix(), 10)}
	maps.Copy(all, v1.Labels)
	maps.Copy(all, map[string]string{
		"name": v1.Name, "owner": "helm", "status": v1.Info.Status.String(), "version": strconv.Itoa(v1.Version),
	})
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: key, Labels: all}, Type: "helm.sh/release.v1", Data: map[string][]byte{"release": data},
	}, nil
}

// record reads the release of a Secret.
func (u *unpacking) record(s *corev1.Secret) (*relv1.Release, error) {
	rel, err := u.release(s.Data["release"])
	if err != nil {
		return nil, fmt.Errorf("failed to decode data %q: %w", s.Name, err)
	}
	rel.Labels = maps.Clone(s.Labels)
	return rel, nil
}
