package gitserver

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/server"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// Binary answers with `git upload-pack`, as `git http-backend` does.
type Binary struct{ Exe, Dir string }

// Name implements Backend.
func (b Binary) Name() string { return "git" }

// Advertise implements Backend.
func (b Binary) Advertise(w io.Writer, protocol string) (time.Duration, error) {
	if !strings.Contains(protocol, "version=2") {
		e := pktline.NewEncoder(w)
		if err := e.EncodeString("# service=git-upload-pack\n"); err != nil {
			return 0, err
		}
		if err := e.Flush(); err != nil {
			return 0, err
		}
	}
	return b.run(w, nil, protocol, "--http-backend-info-refs")
}

// UploadPack implements Backend.
func (b Binary) UploadPack(w io.Writer, body io.Reader, protocol string) (time.Duration, error) {
	return b.run(w, body, protocol)
}

func (b Binary) run(w io.Writer, body io.Reader, protocol string, flags ...string) (time.Duration, error) {
	args := append([]string{"upload-pack", "--stateless-rpc", "--strict"}, flags...)
	cmd := exec.Command(b.Exe, append(args, b.Dir)...)
	cmd.Stdin, cmd.Stdout = body, w
	cmd.Env = append(os.Environ(), "GIT_PROTOCOL="+protocol,
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return 0, err
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), err
}

// GoGit answers in this process.
type GoGit struct{ Dir string }

// Name implements Backend.
func (g GoGit) Name() string { return "go-git" }

// Advertise implements Backend.
func (g GoGit) Advertise(w io.Writer, _ string) (time.Duration, error) {
	session, err := g.session(g.store())
	if err != nil {
		return 0, err
	}
	refs, err := session.AdvertisedReferences()
	if err != nil {
		return 0, fmt.Errorf("advertise refs: %w", err)
	}
	refs.Prefix = [][]byte{[]byte("# service=git-upload-pack"), pktline.Flush}
	return 0, refs.Encode(w)
}

// UploadPack implements Backend.
func (g GoGit) UploadPack(w io.Writer, body io.Reader, _ string) (time.Duration, error) {
	store := g.store()
	request := packp.NewUploadPackRequest()
	in := bufio.NewReader(body)
	if err := request.UploadRequest.Decode(in); err != nil {
		return 0, fmt.Errorf("read request: %w", err)
	}
	if !request.Depth.IsZero() {
		return 0, fmt.Errorf("a fetch of depth %v needs the git binary", request.Depth)
	}
	done, err := readHaves(in, store, request)
	if err != nil {
		return 0, err
	}
	if !done {
		return 0, pktline.NewEncoder(w).EncodeString("NAK\n")
	}
	session, err := g.session(store)
	if err != nil {
		return 0, err
	}
	answer, err := session.UploadPack(context.Background(), request)
	if err != nil {
		return 0, fmt.Errorf("answer fetch: %w", err)
	}
	if len(request.Haves) > 0 {
		answer.ACKs = request.Haves[:1]
	}
	return 0, answer.Encode(w)
}

// readHaves adds what the client has, as far as it is known here, and tells
// whether the client expects a pack now.
func readHaves(in io.Reader, known storer.EncodedObjectStorer, to *packp.UploadPackRequest) (done bool, err error) {
	lines := pktline.NewScanner(in)
	for lines.Scan() {
		line := strings.TrimSpace(string(lines.Bytes()))
		if line == "done" {
			return true, nil
		}
		if id, ok := strings.CutPrefix(line, "have "); ok {
			if h := plumbing.NewHash(id); known.HasEncodedObject(h) == nil {
				to.Haves = append(to.Haves, h)
			}
		}
	}
	return false, lines.Err()
}

// store opens the repository anew, so that it sees the newest commit.
func (g GoGit) store() storer.Storer {
	return filesystem.NewStorage(osfs.New(g.Dir), cache.NewObjectLRUDefault())
}

func (g GoGit) session(s storer.Storer) (transport.UploadPackSession, error) {
	endpoint, err := transport.NewEndpoint("file:///fleet.git")
	if err != nil {
		return nil, err
	}
	return server.NewServer(only{s}).NewUploadPackSession(endpoint, nil)
}

// only is a loader of one repository.
type only struct{ storer.Storer }

// Load implements server.Loader.
func (o only) Load(*transport.Endpoint) (storer.Storer, error) { return o.Storer, nil }
