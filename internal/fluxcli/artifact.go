package fluxcli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/fluxcd/pkg/sourceignore"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// excluded is what artifacts leave out unless --ignore-paths says otherwise:
// files of version control, and images and archives.
var excluded = append(strings.Split(sourceignore.ExcludeVCS, ","), strings.Split(sourceignore.ExcludeExt, ",")...)

// content is what goes into an artifact.
type content struct {
	path    string
	ignore  []string
	resolve bool
}

func (c *content) register(fs *pflag.FlagSet, short string) {
	fs.StringVarP(&c.path, "path", short, "", "folder or file with the manifests; - for stdin, but for diff")
	fs.StringSliceVar(&c.ignore, "ignore-paths", excluded, "what to leave out, as in .gitignore")
}

func (c *content) registerResolve(fs *pflag.FlagSet) {
	fs.BoolVar(&c.resolve, "resolve-symlinks", false, "take what links lead to, wherever that is")
}

func (p *program) newBuildArtifact() *cobra.Command {
	c := &content{}
	var output string
	cmd := &cobra.Command{
		Use: "artifact", Short: "Pack manifests as an artifact",
		Example: `  build artifact --path ./manifests --output ./artifact.tgz
  kustomize build . | flux build artifact -p - -o ./artifact.tgz`,
		RunE: func(*cobra.Command, []string) error { return p.buildArtifact(c, output) },
	}
	c.register(cmd.Flags(), "p")
	c.registerResolve(cmd.Flags())
	cmd.Flags().StringVarP(&output, "output", "o", "artifact.tgz", "file to write")
	return cmd
}

func (p *program) buildArtifact(c *content, output string) error {
	packed, err := p.packed(c, func() { p.act("building artifact from %s", c.path) })
	if err != nil {
		return err
	}
	if err := replaceFile(output, packed); err != nil {
		return fmt.Errorf("building artifact failed, error: %w", err)
	}
	p.succeed("artifact created at %s", output)
	return nil
}

// replaceFile writes a file whole, or not at all.
func replaceFile(name string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), ".artifact-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Close(), os.Chmod(tmp.Name(), 0o640)); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

// packed is the archive of the content; begun is told once it is there.
func (p *program) packed(c *content, begun func()) ([]byte, error) {
	if c.path == "" {
		return nil, fmt.Errorf("invalid path %q; pass --path", c.path)
	}
	var out bytes.Buffer
	if c.path == "-" {
		text, err := p.stdin()
		if err != nil {
			return nil, err
		}
		begun()
		err = packText(&out, "manifests.yaml", text)
		return out.Bytes(), err
	}
	if _, err := os.Stat(c.path); err != nil {
		return nil, fmt.Errorf("invalid path '%s', must point to an existing directory or file: %w", c.path, err)
	}
	begun()
	if err := pack(&out, c); err != nil {
		return nil, fmt.Errorf("building artifact failed, error: %w", err)
	}
	return out.Bytes(), nil
}

// stdin reads manifests, at most maxManifest bytes.
func (p *program) stdin() ([]byte, error) {
	if p.In == nil {
		return nil, errors.New("there is nothing on stdin")
	}
	text, err := io.ReadAll(io.LimitReader(p.In, maxManifest+1))
	if err == nil && len(text) > maxManifest {
		err = fmt.Errorf("more than %d bytes on stdin", maxManifest)
	}
	return bytes.TrimRight(text, "\r\n"), err
}
