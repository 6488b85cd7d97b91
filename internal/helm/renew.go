package helm

import (
	"context"
	"fmt"

	helmkube "helm.sh/helm/v4/pkg/kube"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/resource"
)

// An apply to an object that is being deleted succeeds, and the object goes all the
// same: an install right after an uninstall that did not wait for its end
// (spec.uninstall.disableWait) ends well, and lacks what still had a finalizer. Helm and
// Flux leave it so until the next upgrade. Here such objects are made anew.

// renew makes anew what was on its way out when it was applied, once it is gone. What
// does not go within spec.timeout is noted, and left. The intents are what was to be
// applied, before the server answered.
func (c *client) renew(applied, intents helmkube.ResourceList) error {
	leaving := applied.Filter(isLeaving)
	if len(leaving) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.run.ctx, c.run.job.Object.GetTimeout().Duration)
	defer cancel()
	var again helmkube.ResourceList
	for _, i := range leaving {
		err := gone(ctx, i)
		switch {
		case c.run.ctx.Err() != nil:
			return c.run.ctx.Err()
		case err != nil:
			c.run.notes = append(c.run.notes, fmt.Sprintf("%s is being deleted and did not go, so the release will lack it: look at its finalizers", refOf(i)))
		default:
			again.Append(i)
		}
	}
	again = intents.Intersect(again)
	if len(again) == 0 {
		return nil
	}
	_, err := c.Client.Create(again, helmkube.ClientCreateOptionServerSideApply(c.run.serverSide, c.run.serverSide))
	if err != nil {
		return fmt.Errorf("make anew what was being deleted: %w", err)
	}
	return nil
}

// isLeaving tells whether an object, as the server answered, is being deleted.
func isLeaving(i *resource.Info) bool {
	at, err := meta.Accessor(i.Object)
	return err == nil && at.GetDeletionTimestamp() != nil
}

// intended are copies of what is to be applied: an apply replaces it by the server's answer.
func intended(list helmkube.ResourceList) helmkube.ResourceList {
	out := make(helmkube.ResourceList, 0, len(list))
	for _, i := range list {
		intent := *i
		intent.Object = i.Object.DeepCopyObject()
		out = append(out, &intent)
	}
	return out
}
