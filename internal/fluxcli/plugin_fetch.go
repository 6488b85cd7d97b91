package fluxcli

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/flux/plugin"
	"github.com/leat-dev/leat/internal/flux/trigger"
	"github.com/leat-dev/leat/internal/source/untar"
	"github.com/leat-dev/leat/internal/tree"
)

// What a plugin may bring.
const (
	maxArchive = 256 << 20 // bytes that are fetched
	maxProgram = 512 << 20 // bytes of what comes out
)

// fetching is how patient the verbs of plugins are.
var fetching = patience{retries: 3, pause: time.Second}

// open fetches an address; the body is the caller's to bound and close.
func (p *program) open(ctx context.Context, address string) (body io.ReadCloser, err error) {
	err = p.persist(ctx, fetching, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return lasting{err}
		}
		req.Header.Set("User-Agent", "flux/v"+Contract)
		res, err := (&http.Client{CheckRedirect: samePost}).Do(req)
		if err != nil {
			return err
		}
		if res.StatusCode == http.StatusOK {
			body = res.Body
			return nil
		}
		res.Body.Close()
		err = fmt.Errorf("HTTP %d from %s", res.StatusCode, req.URL.Redacted())
		if res.StatusCode == http.StatusNotFound || !trigger.Passing(res.StatusCode) {
			return lasting{err}
		}
		return err
	})
	return body, err
}

// download fetches a release into a temporary file, which stands at its begin,
// and checks its digest.
func (p *program) download(ctx context.Context, from plugin.Platform) (*os.File, error) {
	body, err := p.open(ctx, from.URL)
	if err != nil {
		return nil, fmt.Errorf("failed to download plugin: %w", err)
	}
	defer body.Close()
	file, err := os.CreateTemp("", "flux-plugin-*")
	if err != nil {
		return nil, fmt.Errorf("failed to download plugin: %w", err)
	}
	if err = verified(file, body, from.Checksum); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		file.Close()
		os.Remove(file.Name())
		return nil, err
	}
	return file, nil
}

// verified copies no more than an archive may have, of the digest that it must
// have.
func verified(to io.Writer, body io.Reader, checksum string) error {
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, sum), io.LimitReader(body, maxArchive+1))
	if err != nil {
		return fmt.Errorf("failed to download plugin: %w", err)
	}
	if n > maxArchive {
		return fmt.Errorf("failed to download plugin: more than %d bytes", maxArchive)
	}
	if got := fmt.Sprintf("sha256:%x", sum.Sum(nil)); got != checksum {
		return fmt.Errorf("checksum verification failed (expected: %s, got: %s)", checksum, got)
	}
	return nil
}

// unpack writes the program that an archive holds, or the file itself when it is
// no archive. It is found by the path that the catalogue names, else by its name.
func unpack(ctx context.Context, archive *os.File, from plugin.Platform, name string, to io.Writer) error {
	wanted := from.ExtractPath
	if wanted == "" {
		wanted = name
	}
	switch kindOf(archive, from.URL) {
	case "zip":
		return unzip(archive, wanted, to)
	case "tar":
		return extract(ctx, archive, wanted, to)
	}
	_, err := io.Copy(to, archive)
	return err
}

// kindOf tells an archive by the end of its address, else by its first bytes.
func kindOf(archive io.ReaderAt, address string) string {
	address = strings.ToLower(address)
	head := make([]byte, 262)
	n, _ := archive.ReadAt(head, 0)
	head = head[:n]
	ends := func(end string) bool { return strings.HasSuffix(address, end) }
	switch {
	case ends(".zip"):
		return "zip"
	case ends(".tar.gz"), ends(".tgz"), ends(".tar"), bytes.HasPrefix(head, []byte{0x1f, 0x8b}), n == len(head) && n == 262 && string(head[257:]) == "ustar":
		return "tar"
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return "zip"
	}
	return ""
}

// matches tells whether an entry is the wanted one: a path means that path, a
// name means it in any folder.
func matches(entry, wanted string) bool {
	return entry == wanted || !strings.Contains(wanted, "/") && path.Base(entry) == wanted
}

func extract(ctx context.Context, archive io.Reader, wanted string, to io.Writer) error {
	all, _, err := untar.Read(ctx, archive, untar.Options{Packed: maxArchive, Bytes: maxProgram, File: maxProgram, Links: untar.SkipLinks})
	if err != nil {
		return err
	}
	found := ""
	err = all.Walk(func(entry string, _ *tree.Blob) error {
		if found == "" && matches(entry, wanted) {
			found = entry
		}
		return nil
	})
	if err != nil {
		return err
	}
	if found == "" {
		return fmt.Errorf("binary %q not found in archive", wanted)
	}
	text, err := all.ReadFile(found)
	if err != nil {
		return err
	}
	_, err = to.Write(text)
	return err
}

// unzip holds an archive to the rules of package untar.
func unzip(archive *os.File, wanted string, to io.Writer) error {
	info, err := archive.Stat()
	if err != nil {
		return err
	}
	z, err := zip.NewReader(archive, info.Size())
	if err != nil {
		return fmt.Errorf("failed to open zip: %w", err)
	}
	if len(z.File) > untar.MaxEntries {
		return fmt.Errorf("failed to open zip: more than %d entries", untar.MaxEntries)
	}
	for _, f := range z.File {
		entry, err := untar.Name(f.Name)
		if err != nil {
			return fmt.Errorf("failed to open zip: %w", err)
		}
		if f.Mode().IsRegular() && matches(entry, wanted) {
			return inflate(f, to)
		}
	}
	return fmt.Errorf("binary %q not found in archive", wanted)
}

func inflate(f *zip.File, to io.Writer) error {
	body, err := f.Open()
	if err != nil {
		return fmt.Errorf("failed to open %q in zip: %w", f.Name, err)
	}
	defer body.Close()
	n, err := io.Copy(to, io.LimitReader(body, maxProgram+1))
	if err == nil && n > maxProgram {
		err = fmt.Errorf("%q has more than %d bytes", f.Name, maxProgram)
	}
	return err
}
