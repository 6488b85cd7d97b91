package worktree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// WatchOptions tune a Watcher; zero fields stand for the defaults.
type WatchOptions struct {
	Quiet time.Duration                          // without a change before a save counts: 100 ms
	Most  time.Duration                          // changes that never cease count after this: 5 s
	Poll  time.Duration                          // between looks where watching is not possible: 1 s
	After func(d time.Duration) <-chan time.Time // nil for time.After
}

func (o WatchOptions) withDefaults() WatchOptions {
	if o.Quiet == 0 {
		o.Quiet = 100 * time.Millisecond
	}
	if o.Most == 0 {
		o.Most = 5 * time.Second
	}
	if o.Poll == 0 {
		o.Poll = time.Second
	}
	if o.After == nil {
		o.After = time.After
	}
	return o
}

// Watcher tells when a directory has changed.
type Watcher struct {
	r       *Reader
	o       WatchOptions
	fs      *fsnotify.Watcher // nil when it polls
	watched map[string]bool
	gitDir  string
	note    string
	changed chan struct{}
	stop    context.CancelFunc
	work    sync.WaitGroup
}

// Watch watches what r reads, new directories included, until ctx ends or Close
// is called. Where the system has no watches left it looks again and again, and
// Note says so.
func Watch(ctx context.Context, r *Reader, o WatchOptions) (*Watcher, error) {
	w := &Watcher{r: r, o: o.withDefaults(), watched: map[string]bool{}, changed: make(chan struct{}, 1)}
	if err := w.start(ctx); err != nil {
		if !outOfWatches(err) {
			return nil, fmt.Errorf("watch %s: %w", r.dir, err)
		}
		w.fs = nil
		w.note = fmt.Sprintf("%s is looked at every %s, because the system has no watches left (%v); on Linux raise fs.inotify.max_user_watches and max_user_instances", r.dir, w.o.Poll, err)
	}
	ctx, w.stop = context.WithCancel(ctx)
	events := make(chan struct{}, 1)
	w.work.Go(func() {
		defer close(w.changed)
		debounce(ctx, events, w.changed, w.o)
	})
	w.work.Go(func() {
		if w.fs == nil {
			w.poll(ctx, events)
			return
		}
		defer w.fs.Close()
		w.listen(ctx, events)
	})
	return w, nil
}

// Changed gets a value after each save, and is closed in the end. Saves that
// come while nobody reads are one value.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Note says why changes may be seen late, "" when they are not.
func (w *Watcher) Note() string { return w.note }

// Close ends the watch and waits for it.
func (w *Watcher) Close() {
	w.stop()
	w.work.Wait()
}

func (w *Watcher) start(ctx context.Context) (err error) {
	if w.fs, err = fsnotify.NewWatcher(); err != nil {
		return err
	}
	if w.gitDir, err = findGitDir(w.r.dir); err == nil && w.gitDir != "" {
		err = w.fs.Add(w.gitDir)
	}
	if err == nil {
		err = w.addAll(ctx)
	}
	if err != nil {
		w.fs.Close()
	}
	return err
}

// addAll watches the directories that are not watched yet.
func (w *Watcher) addAll(ctx context.Context) error {
	dirs, err := w.r.directories(ctx)
	if err != nil {
		return err
	}
	for _, d := range dirs {
		at := filepath.Join(w.r.dir, filepath.FromSlash(d))
		if w.watched[at] {
			continue
		}
		if err := w.fs.Add(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		w.watched[at] = true
	}
	return nil
}

// outOfWatches tells whether an error means that the system's limits are
// reached: inotify answers ENOSPC for watches, EMFILE for instances.
func outOfWatches(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENOMEM)
}

func (w *Watcher) listen(ctx context.Context, events chan<- struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-w.fs.Events:
			if !ok {
				return
			}
			if !w.matters(e.Name) {
				continue
			}
			w.follow(ctx, e)
		case _, ok := <-w.fs.Errors: // an overflow: anything may have changed
			if !ok {
				return
			}
			w.again(ctx)
		}
		signal(events)
	}
}

// matters tells whether an event can change what is read. Of Git's own
// directory only the branch and the list of tracked files do.
func (w *Watcher) matters(name string) bool {
	if w.gitDir == "" || !strings.HasPrefix(name, w.gitDir+string(filepath.Separator)) {
		return name != w.gitDir
	}
	base := filepath.Base(name)
	return filepath.Dir(name) == w.gitDir && (base == "HEAD" || base == "index")
}

// follow keeps the watches in step with the directories.
func (w *Watcher) follow(ctx context.Context, e fsnotify.Event) {
	if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
		delete(w.watched, e.Name)
	}
	if fi, err := os.Lstat(e.Name); err == nil && fi.IsDir() && e.Has(fsnotify.Create) || filepath.Base(e.Name) == ".gitignore" {
		w.again(ctx)
	}
}

// again adds watches; one that cannot be added shows late, by the next change
// that can.
func (w *Watcher) again(ctx context.Context) {
	_ = w.addAll(ctx)
}

// poll compares snapshots.
func (w *Watcher) poll(ctx context.Context, events chan<- struct{}) {
	last, _ := w.r.Read(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.o.After(w.o.Poll):
		}
		now, err := w.r.Read(ctx)
		if err != nil || now.Revision() != last.Revision() {
			last = now
			signal(events)
		}
	}
}

// signal puts a value into a channel that has room for one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// debounce passes one signal on when none has come for o.Quiet, or when they
// have been coming for o.Most.
func debounce(ctx context.Context, in <-chan struct{}, out chan<- struct{}, o WatchOptions) {
	var quiet, most <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-in:
			quiet = o.After(o.Quiet)
			if most == nil {
				most = o.After(o.Most)
			}
			continue
		case <-quiet:
		case <-most:
		}
		quiet, most = nil, nil
		signal(out)
	}
}
