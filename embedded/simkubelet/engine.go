package simkubelet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
	corev1 "k8s.io/api/core/v1"
)

// Labels by which Deployments of Flux's controllers, and of Leat, are known.
const (
	labelPartOf = "app.kubernetes.io/part-of"
	partOf      = "flux"
	labelApp    = "app"
)

// kindsByController are the kinds of which a controller of Flux writes
// (flux2 v2.9.5, manifests/bases).
var kindsByController = map[string][]string{
	"source-controller":           {"GitRepository", "OCIRepository", "Bucket", "HelmRepository", "HelmChart", "ExternalArtifact"},
	"kustomize-controller":        {"Kustomization"},
	"helm-controller":             {"HelmRelease"},
	"notification-controller":     {"Alert", "Provider", "Receiver"},
	"image-reflector-controller":  {"ImageRepository", "ImagePolicy"},
	"image-automation-controller": {"ImageUpdateAutomation"},
	"source-watcher":              {"ArtifactGenerator"},
}

// isEngine tells whether a pod stands for the engine, or a part of it.
func isEngine(p *corev1.Pod) bool { return p.Labels[labelPartOf] == partOf && p.Labels[labelApp] != "" }

// kindsOf are the kinds that an engine's pod writes about; nil stands for all.
func kindsOf(p *corev1.Pod) []string { return kindsByController[p.Labels[labelApp]] }

// engineLog reads the log of an engine on this machine, a line of JSON each: what is
// about the kinds, and what is about none.
type engineLog struct {
	file    *os.File
	path    string
	kinds   []string
	rest    []byte // of a line that has no end yet
	skip    bool   // the first line begins before what is read
	watcher *fsnotify.Watcher
	changes chan struct{}
}

func openEngine(path string, kinds []string) (*engineLog, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the engine's log: %w", err)
	}
	e := &engineLog{file: file, path: filepath.Clean(path), kinds: kinds, changes: make(chan struct{}, 1)}
	if info, err := file.Stat(); err == nil && info.Size() > maxEngineLog {
		if _, err := file.Seek(-maxEngineLog, io.SeekEnd); err != nil {
			return nil, fmt.Errorf("read the engine's log: %w", errorsAfter(err, file))
		}
		e.skip = true
	}
	if e.watcher, err = fsnotify.NewWatcher(); err == nil {
		err = e.watcher.Add(e.path)
	}
	if err != nil {
		e.close()
		return nil, fmt.Errorf("watch the engine's log: %w", err)
	}
	go e.watch(e.watcher)
	return e, nil
}

func errorsAfter(err error, file *os.File) error {
	_ = file.Close() // the first error counts
	return err
}

// watch turns events into changes until the watcher is closed.
func (e *engineLog) watch(w *fsnotify.Watcher) {
	for {
		select {
		case _, open := <-w.Events:
			if !open {
				return
			}
		case <-w.Errors: // such as too many events: there is something to read
		}
		select {
		case e.changes <- struct{}{}:
		default: // one is on its way
		}
	}
}

func (e *engineLog) close() {
	if e.watcher != nil {
		_ = e.watcher.Close() // ends watch
	}
	_ = e.file.Close()
}

func (e *engineLog) next() (more []line, changes <-chan struct{}, over bool) {
	data, err := io.ReadAll(io.LimitReader(e.file, maxEngineLog+maxLogLine))
	if err != nil {
		return nil, e.changes, true
	}
	data = append(e.rest, data...)
	for {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			break
		}
		if !e.skip {
			if l, ok := e.line(data[:i]); ok {
				more = append(more, l)
			}
		}
		data, e.skip = data[i+1:], false
	}
	if len(data) > maxLogLine {
		data, e.skip = nil, true
	}
	e.rest = bytes.Clone(data)
	return more, e.changes, false
}

// line reads one line; false for those that are not about the kinds.
func (e *engineLog) line(text []byte) (line, bool) {
	var l struct {
		At   time.Time `json:"ts"`
		Kind string    `json:"controllerKind"`
	}
	if len(text) == 0 || len(text) > maxLogLine || json.Unmarshal(text, &l) != nil {
		return line{}, false
	}
	return line{l.At, string(text)}, l.Kind == "" || e.kinds == nil || slices.Contains(e.kinds, l.Kind)
}
