package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/leat-dev/leat/bench/kube"
	"github.com/leat-dev/leat/internal/crd"
)

// crdWait bounds the wait for the CRDs to be served.
const crdWait = 30 * time.Second

// installCRDs applies this repository's CRDs and returns when they are served.
func installCRDs(ctx context.Context, c *kube.Client) error {
	ctx, cancel := context.WithTimeout(ctx, crdWait)
	defer cancel()
	pending := map[string]bool{}
	for _, definition := range crd.All() {
		b, err := json.Marshal(definition)
		if err != nil {
			return err
		}
		var o map[string]any
		if err := json.Unmarshal(b, &o); err != nil {
			return err
		}
		delete(o, "status")
		o["apiVersion"], o["kind"] = kube.CRDs.APIVersion, kube.CRDs.Kind
		if err := c.Apply(ctx, o); err != nil {
			return err
		}
		pending[definition.Name] = true
	}
	if err := awaitEstablished(ctx, c, pending); err != nil {
		return err
	}
	for _, d := range crd.All() {
		version := d.Spec.Group + "/" + crd.StorageVersion(d.Spec.Group, d.Spec.Names.Kind)
		k := kube.Kind{APIVersion: version, Kind: d.Spec.Names.Kind, Resource: d.Spec.Names.Plural}
		if err := awaitServed(ctx, c, k); err != nil {
			return err
		}
	}
	return nil
}

func awaitEstablished(ctx context.Context, c *kube.Client, pending map[string]bool) error {
	ctx, done := context.WithCancel(ctx)
	defer done()
	err := c.Watch(ctx, kube.Watch{Kind: kube.CRDs}, func() {}, func(e kube.Event) {
		s, err := decodeState(e.Object)
		if err != nil || !s.is("Established") {
			return
		}
		if delete(pending, s.Metadata.Name); len(pending) == 0 {
			done()
		}
	})
	if err == nil && len(pending) > 0 {
		err = fmt.Errorf("%d CRDs are not served after %v: %w", len(pending), crdWait, context.Cause(ctx))
	}
	return err
}

// probeEvery is the pause between two tries while a new kind is not served yet.
const probeEvery = 50 * time.Millisecond

// awaitServed lists a kind until that works: the API server refuses with 404
// before it knows a new kind, and with 429 while it fills that kind's cache.
func awaitServed(ctx context.Context, c *kube.Client, k kube.Kind) error {
	ctx, cancel := context.WithTimeout(ctx, crdWait)
	defer cancel()
	for {
		_, err := c.List(ctx, k, "")
		if !kube.IsStatus(err, http.StatusNotFound) && !kube.IsStatus(err, http.StatusTooManyRequests) {
			return err
		}
		if stop := pause(ctx, probeEvery); stop != nil {
			return fmt.Errorf("%s is not served: %w", k.Resource, err)
		}
	}
}
