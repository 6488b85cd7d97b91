package fluxcli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/flux"
)

func (p *program) newPull() *cobra.Command {
	r := &registry{}
	var output string
	cmd := &cobra.Command{
		Use: "artifact", Short: "Download an artifact and unpack it",
		Example: `  pull artifact oci://ghcr.io/acme/apps:v1 --output ./apps`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 {
				return errors.New("artifact URL is required; write oci://<host>/<path>:<tag>")
			}
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			return p.pull(ctx, r, args[0], output)
		},
	}
	r.register(cmd.Flags())
	r.registerInsecure(cmd.Flags())
	cmd.Flags().StringVarP(&output, "output", "o", "", "folder that is there, to unpack in")
	return below("pull", "Download artifacts", cmd)
}

func (p *program) pull(ctx context.Context, r *registry, from, output string) error {
	if output == "" {
		return errors.New("output path cannot be empty; pass --output")
	}
	if info, err := os.Stat(output); err != nil {
		return fmt.Errorf("invalid output path %q: %w", output, err)
	} else if !info.IsDir() {
		return fmt.Errorf("invalid output path %q: it is no folder", output)
	}
	url, err := address(from)
	if err != nil {
		return err
	}
	access, err := p.login(ctx, r)
	if err != nil {
		return err
	}
	p.act("pulling artifact from %s", url)
	got, err := access.pull(url)
	if err != nil {
		return err
	}
	if err := p.extract(ctx, got.layer, output); err != nil {
		return err
	}
	for _, of := range []struct{ what, key string }{{"source", annotationSource}, {"revision", annotationRevision}} {
		if value := got.annotations[of.key]; value != "" {
			p.succeed("%s %s", of.what, value)
		}
	}
	p.succeed("digest %s", got.digest)
	p.succeed("artifact content extracted to %s", output)
	return nil
}

func (p *program) newTag() *cobra.Command {
	r := &registry{}
	var tags []string
	cmd := &cobra.Command{
		Use: "artifact", Short: "Give an artifact more tags",
		Example: `  tag artifact oci://ghcr.io/acme/apps:v1 --tag latest --tag stable`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) < 1:
				return errors.New("artifact name is required; write oci://<host>/<path>:<tag>")
			case len(tags) < 1:
				return errors.New("--tag is required")
			}
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			return p.tag(ctx, r, args[0], tags)
		},
	}
	r.register(cmd.Flags())
	cmd.Flags().StringSliceVar(&tags, "tag", nil, "tag to give")
	return below("tag", "Tag artifacts", cmd)
}

func (p *program) tag(ctx context.Context, r *registry, of string, tags []string) error {
	url, err := address(of)
	if err != nil {
		return err
	}
	access, err := p.login(ctx, r)
	if err != nil {
		return err
	}
	p.act("tagging artifact")
	ref, err := name.ParseReference(url, access.names...)
	if err != nil {
		return fmt.Errorf("tagging artifact failed: invalid URL: %w", err)
	}
	have, err := remote.Get(ref, access.remote...)
	if err != nil {
		return fmt.Errorf("tagging artifact failed: %w", err)
	}
	for _, tag := range tags {
		to := ref.Context().Tag(tag)
		if err := remote.Tag(to, have, access.remote...); err != nil {
			return fmt.Errorf("tagging artifact failed: %w", err)
		}
		p.succeed("artifact tagged as %s", to.Name())
	}
	return nil
}

// listFlags are those of list artifacts.
type listFlags struct {
	registry      registry
	semver, regex string
}

func (p *program) newList() *cobra.Command {
	f := &listFlags{}
	cmd := &cobra.Command{
		Use: "artifacts", Short: "The tags of a repository, and what they hold",
		Example: `  list artifacts oci://ghcr.io/acme/apps --filter-semver '^1'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 {
				return errors.New("artifact repository URL is required; write oci://<host>/<path>")
			}
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			return p.list(ctx, f, args[0])
		},
	}
	fs := cmd.Flags()
	f.registry.register(fs)
	f.registry.registerInsecure(fs)
	fs.StringVar(&f.semver, "filter-semver", "", "only tags that are versions in this range")
	fs.StringVar(&f.regex, "filter-regex", "", "only tags that match this expression")
	return below("list", "List artifacts", cmd)
}

// maxListed bounds how many tags are looked at, each with a request.
const maxListed = 10_000

func (p *program) list(ctx context.Context, f *listFlags, of string) error {
	url, err := address(of)
	if err != nil {
		return err
	}
	access, err := p.login(ctx, &f.registry)
	if err != nil {
		return err
	}
	repository, err := name.NewRepository(url, access.names...)
	if err != nil {
		return fmt.Errorf("listing tags failed: parsing repo %q: %w", url, err)
	}
	tags, err := remote.List(repository, access.remote...)
	if err != nil {
		return fmt.Errorf("listing tags failed: %w", err)
	}
	tags, err = f.choose(tags)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, tag := range tags[:min(len(tags), maxListed)] {
		desc, err := remote.Get(repository.Tag(tag), access.remote...)
		if err != nil {
			return fmt.Errorf("fetching manifest failed: %w", err)
		}
		manifest, err := v1.ParseManifest(bytes.NewReader(desc.Manifest))
		if err != nil {
			return fmt.Errorf("parsing manifest failed: %w", err)
		}
		rows = append(rows, []string{url + ":" + tag, desc.Digest.String(), manifest.Annotations[annotationSource], manifest.Annotations[annotationRevision]})
	}
	_, err = fmt.Fprint(p.Out, flux.Table([]string{"artifact", "digest", "source", "revision"}, rows))
	return err
}

// choose leaves the tags that were asked for, in falling order of letters.
func (f *listFlags) choose(tags []string) ([]string, error) {
	var within *semver.Constraints
	var match *regexp.Regexp
	var err error
	if f.semver != "" {
		if within, err = semver.NewConstraint(f.semver); err != nil {
			return nil, fmt.Errorf("semver '%s' parse error: %w", f.semver, err)
		}
	}
	if f.regex != "" {
		if match, err = regexp.Compile(f.regex); err != nil {
			return nil, fmt.Errorf("regex '%s' parse error: %w", f.regex, err)
		}
	}
	out := slices.DeleteFunc(slices.Clone(tags), func(tag string) bool {
		signature := strings.HasSuffix(tag, ".att") || strings.HasSuffix(tag, ".sbom") || strings.HasSuffix(tag, ".sig")
		return signature || match != nil && !match.MatchString(tag) || within != nil && !versionIn(within, tag)
	})
	slices.Sort(out)
	slices.Reverse(out)
	return out, nil
}

func versionIn(within *semver.Constraints, tag string) bool {
	v, err := semver.StrictNewVersion(strings.TrimPrefix(tag, "v"))
	return err == nil && within.Check(v)
}

func (p *program) newDiffArtifact() *cobra.Command {
	r, c := &registry{}, &content{}
	cmd := &cobra.Command{
		Use: "artifact", Short: "Compare manifests with an artifact: exit code 1 where they differ",
		Example: `  diff artifact oci://ghcr.io/acme/apps:v1 --path ./manifests`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 {
				return errors.New("artifact URL is required; write oci://<host>/<path>:<tag>")
			}
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			return p.diffArtifact(ctx, r, c, args[0])
		},
	}
	c.register(cmd.Flags(), "")
	r.register(cmd.Flags())
	r.registerInsecure(cmd.Flags())
	return cmd
}

func (p *program) diffArtifact(ctx context.Context, r *registry, c *content, with string) error {
	url, err := address(with)
	if err != nil && c.path != "" {
		return err
	}
	packed, err := p.packed(c, func() {})
	if err != nil {
		return err
	}
	access, err := p.login(ctx, r)
	if err != nil {
		return err
	}
	got, err := access.pull(url)
	if err != nil {
		return err
	}
	digest, err := got.layer.Digest()
	if err != nil {
		return fmt.Errorf("failed to get layer digest: %w", err)
	}
	sum := sha256.Sum256(packed)
	if digest.Hex != hex.EncodeToString(sum[:]) {
		return errors.New("the remote artifact contents differs from the local one")
	}
	p.succeed("no changes detected")
	return nil
}
