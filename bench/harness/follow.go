package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/leat-dev/leat/bench/kube"
)

// rewatchAfter is the pause before a watch that ended is started again.
const rewatchAfter = 20 * time.Millisecond

// follow watches until ctx ends. The API server ends watches when it likes, for
// one when a CRD is applied again: then follow goes on after the last event, or,
// where the server has forgotten what came since, with an ADDED event for all
// that exists. started is called once.
func (l *lab) follow(ctx context.Context, w kube.Watch, started func(), see func(kube.Event)) error {
	for {
		err := l.kube.Watch(ctx, w, started, func(e kube.Event) {
			w.From = e.ResourceVersion
			see(e)
		})
		if ctx.Err() != nil {
			return nil
		}
		switch {
		case kube.IsStatus(err, http.StatusGone):
			w.From = ""
		case kube.IsStatus(err, http.StatusTooManyRequests), kube.IsStatus(err, http.StatusNotFound), errors.Is(err, kube.ErrWatchEnded):
		default:
			return err
		}
		l.say("the watch of %s starts again: %v", w.Kind.Resource, err)
		if pause(ctx, rewatchAfter) != nil {
			return nil
		}
	}
}
