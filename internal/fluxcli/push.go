package fluxcli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/logs"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// pushFlags are those of push artifact.
type pushFlags struct {
	content          content
	registry         registry
	source, revision string
	annotations      []string
	output           string
	debug            bool
	reproducible     bool
}

func (p *program) newPush() *cobra.Command {
	f := &pushFlags{}
	cmd := &cobra.Command{
		Use: "artifact", Short: "Pack manifests and upload them to a registry",
		Example: `  push artifact oci://ghcr.io/acme/apps:v1 --path ./manifests --source "$(git remote get-url origin)" --revision "main@sha1:$(git rev-parse HEAD)"
  push artifact oci://ghcr.io/acme/apps:v1 --path ./manifests --source … --revision … --output json | jq .digest`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 {
				return errors.New("artifact URL is required; write oci://<host>/<path>:<tag>")
			}
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			return p.push(ctx, args[0], f)
		},
	}
	fs := cmd.Flags()
	f.content.register(fs, "f")
	f.content.registerResolve(fs)
	f.registry.register(fs)
	f.registry.registerInsecure(fs)
	fs.StringVar(&f.source, "source", "", "where the manifests come from: the address of the repository")
	fs.StringVar(&f.revision, "revision", "", "which they are: <branch|tag>@sha1:<commit>")
	fs.StringArrayVarP(&f.annotations, "annotations", "a", nil, "annotations of the artifact: key=value")
	fs.StringVarP(&f.output, "output", "o", "", "json or yaml: address and digest")
	fs.BoolVar(&f.debug, "debug", false, "print what the registry's client warns of")
	fs.BoolVar(&f.reproducible, "reproducible", false, "equal manifests have equal digests: the artifact was made in 1970")
	return below("push", "Upload artifacts", cmd)
}

// below makes a verb whose only noun is given.
func below(verb, short string, noun *cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: verb, Short: short}
	cmd.AddCommand(noun)
	return cmd
}

// push uploads an artifact under a tag.
func (p *program) push(ctx context.Context, to string, f *pushFlags) error {
	annotations, err := f.check()
	if err != nil {
		return err
	}
	url, err := address(to)
	if err != nil {
		return err
	}
	packed, err := p.packed(&f.content, func() {})
	if err != nil {
		return err
	}
	if f.debug {
		logs.Warn.SetOutput(p.Err)
	}
	access, err := p.login(ctx, &f.registry)
	if err != nil {
		return err
	}
	ref, err := name.ParseReference(url, access.names...)
	if err != nil {
		return fmt.Errorf("invalid URL: %w", err)
	}
	if f.output == "" {
		p.act("pushing artifact to %s", url)
	}
	created, err := time.Parse(time.RFC3339, annotations[annotationCreated])
	if annotations[annotationCreated] == "" {
		created, err = f.now(p.Now()), nil
		annotations[annotationCreated] = created.Format(time.RFC3339)
	}
	if err != nil {
		return fmt.Errorf("pushing artifact failed: invalid created timestamp %q: %w", annotations[annotationCreated], err)
	}
	image, err := imageOf(packed, annotations, created)
	if err != nil {
		return fmt.Errorf("pushing artifact failed: %w", err)
	}
	if err := remote.Write(ref, image, access.remote...); err != nil {
		return fmt.Errorf("pushing artifact failed: %w", err)
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	return p.pushed(f.output, ref, digest.String())
}

func (f *pushFlags) now(now time.Time) time.Time {
	if f.reproducible {
		return time.Unix(0, 0).UTC()
	}
	return now.UTC()
}

// check returns the annotations.
func (f *pushFlags) check() (map[string]string, error) {
	switch {
	case f.source == "":
		return nil, errors.New("--source is required")
	case f.revision == "":
		return nil, errors.New("--revision is required")
	}
	out := map[string]string{annotationSource: f.source, annotationRevision: f.revision}
	for _, text := range f.annotations {
		key, value, ok := strings.Cut(text, "=")
		if !ok || strings.Contains(value, "=") {
			return nil, fmt.Errorf("invalid annotation %s, must be in the format key=value", text)
		}
		out[key] = value
	}
	return out, nil
}

// pushed tells of an artifact that was uploaded.
func (p *program) pushed(format string, ref name.Reference, digest string) error {
	full := ref.Context().Digest(digest).String()
	info := struct {
		URL        string `json:"url"`
		Repository string `json:"repository"`
		Tag        string `json:"tag"`
		Digest     string `json:"digest"`
	}{"oci://" + full, ref.Context().Name(), ref.Identifier(), digest}
	var text []byte
	var err error
	switch format {
	case "json":
		text, err = json.MarshalIndent(info, "", "  ")
		text = append(text, '\n')
	case "yaml":
		text, err = yaml.Marshal(info)
	default:
		p.succeed("artifact successfully pushed to %s", full)
		return nil
	}
	if err != nil {
		return err
	}
	_, err = p.Out.Write(text)
	return err
}
