package engine

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/apply"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
)

func TestRefusalsReadWhoRefused(t *testing.T) {
	secrets := schema.GroupResource{Resource: "secrets"}
	forbidden := func(text string) error { return apierrors.NewForbidden(secrets, "s", errors.New(text)) }
	going := apierrors.NewForbidden(secrets, "s", errors.New("because it is being terminated"))
	going.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	namespace, service := Subject(namespaceKey("apps")), Subject(object.Key{Kind: "Endpoints", Namespace: "hooks", Name: "policy"})
	guards := []string{GuardSubject(""), GuardSubject("apps"), namespace}
	for name, c := range map[string]struct {
		err  error
		want []string
	}{
		"no rights":        {forbidden(`User "system:serviceaccount:apps:deployer" cannot patch resource "secrets"`), []string{RightsSubject}},
		"quota":            {forbidden("exceeded quota: few, requested: count/secrets=1"), guards},
		"webhook":          {apierrors.NewBadRequest(`admission webhook "policy.example.com" denied the request: no`), guards},
		"policy":           {apierrors.NewInvalid(schema.GroupKind{Kind: "Secret"}, "ValidatingAdmissionPolicy 'p' denied request", nil), guards},
		"namespace goes":   {going, []string{namespace}},
		"invalid":          {apierrors.NewBadRequest("spec.size: must be a number"), nil},
		"conflict":         {apierrors.NewConflict(secrets, "s", errors.New("moved")), nil},
		"not from the API": {errors.New("connection refused"), nil},
		"service is down": {
			apierrors.NewInternalError(errors.New(`failed calling webhook "a": Post "https://policy.hooks.svc:443/v?timeout=1s": no endpoints`)),
			append([]string{service}, guards...),
		},
	} {
		v := view{rec: &record.Recorder{}}
		v.refusals(fmt.Errorf("some: %w", errors.Join(errors.New("another"), &apply.Undeleted{Ref: object.Ref{Key: object.Key{Namespace: "apps"}}, Err: c.err})))
		var got []string
		for _, r := range v.rec.Set() {
			got = append(got, r.Key)
		}
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
