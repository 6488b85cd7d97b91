package app

import (
	"context"
	"time"
)

// RunUntil works until ctx ends, or until stopped is closed: then no run begins
// any more, those under way have the grace of cfg to end, and only what has not
// ended by then is cancelled.
func (a *App) RunUntil(ctx context.Context, stopped <-chan struct{}, cfg ServeConfig) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-stopped:
			a.drain(ctx, cfg)
			cancel()
		case <-ctx.Done():
		}
	}()
	err := a.Run(ctx)
	cancel()
	<-done
	return err
}

// drain waits for what is under way.
func (a *App) drain(ctx context.Context, cfg ServeConfig) {
	if cfg.Grace <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Grace)
	defer cancel()
	if cfg.Hurry != nil {
		hurry, end := cfg.Hurry()
		defer end()
		go func() {
			select {
			case <-hurry:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	began := time.Now()
	cfg.Log.Info("stopping: what is under way may end", "grace", cfg.Grace.String())
	a.Controller.Drain(ctx)
	if ctx.Err() != nil {
		cfg.Log.Warn("what is still under way is cancelled; the next process goes on with it", "waited", time.Since(began).Round(time.Millisecond).String())
	}
}
