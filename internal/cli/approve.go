package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// approveFlags are the flags of `leat approve`.
type approveFlags struct {
	previewFlags
	head    string
	key     string
	rules   string
	expires time.Duration
	partial bool
	apply   bool
	live    target
	output  string
}

func newApprove(env Env) *cobra.Command {
	f := &approveFlags{}
	cmd := &cobra.Command{
		Use:   "approve ENVIRONMENT [DIRECTORY]",
		Short: "Sign what an environment may become",
		Long: `Render an environment, and sign with your SSH key what each of its units would become.
An engine that was started with --require-approval applies nothing else.

The environment is one of ` + flow.FileName + `, which says where its cluster's entry is and which seal its
digests have; without that file, pass --path. What is signed is what is rendered, not a commit:
it stays signed however it gets into Git, and nothing else is.

The result is a ConfigMap to be applied (each person owns one key of it), or is applied with
--apply. docs/approvals.md says how an engine is told who may approve.`,
		Example: `  leat approve production
  leat approve production --head release --key ~/.ssh/id_ed25519.pub --expires 72h
  leat approve production --apply --context prod
  leat approve production | kubectl apply --server-side --field-manager approval-alice -f -`,
		Args: args(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, given []string) error { return runApprove(cmd.Context(), env, f, given) },
	}
	f.previewFlags.registerWithout(cmd.Flags(), "all") // one environment is approved at a time
	fs := cmd.Flags()
	fs.StringVar(&f.head, "head", "", "what to approve: a branch, tag, commit or directory (default: the directory as it is)")
	fs.StringVar(&f.key, "key", "", "SSH key to sign with: a private key, or the public half of one that an agent holds (default: as ssh has it)")
	fs.StringVar(&f.rules, "rules", "flux-system/approvers", "NAMESPACE/NAME of the ConfigMap that the engine was told of")
	fs.DurationVar(&f.expires, "expires", 0, "how long it is worth anything (default: until it is removed)")
	fs.BoolVar(&f.partial, "partial", false, "sign what can be told from here, and leave out the rest")
	fs.BoolVar(&f.apply, "apply", false, "put it into the cluster")
	fs.StringVar(&f.live.kubeconfig, "kubeconfig", "", "with --apply: its kubeconfig (default: $KUBECONFIG, else that of kubectl)")
	fs.StringVar(&f.live.context, "context", "", "with --apply: context of the kubeconfig (default: its current one)")
	fs.StringVarP(&f.output, "output", "o", "manifest", "manifest, statement (what is signed, with the signature) or json")
	return cmd
}

func runApprove(ctx context.Context, env Env, f *approveFlags, given []string) error {
	if !slices.Contains([]string{"manifest", "statement", "json"}, f.output) {
		return usage("--output %q: want manifest, statement or json", f.output)
	}
	rules, err := approvalRules("--rules", f.rules)
	if err != nil {
		return err
	}
	dir, err := fleetDir(given[1:])
	if err != nil {
		return err
	}
	seal, err := f.environment(dir, given[0])
	if err != nil {
		return err
	}
	key, done, err := signerOf(f.key)
	if err != nil {
		return err
	}
	defer done()
	found, err := f.become(ctx, dir, seal)
	if err != nil {
		return err
	}
	if len(found.Unknown) > 0 && !f.partial {
		return fmt.Errorf("%s cannot be approved whole from here (--partial leaves out):\n%s", given[0], unknowns(found.Unknown))
	}
	statement := gate.Statement{Environment: given[0], Units: found.Units}
	if f.expires > 0 {
		statement.Expires = time.Now().Add(f.expires).UTC().Truncate(time.Second)
	}
	signed, err := gate.Sign(statement, key)
	if err != nil {
		return err
	}
	manifest := approvalManifest(rules, key.PublicKey(), signed)
	fmt.Fprintf(env.Err, "%s: %d units, %s, signed with %s\n", given[0], len(found.Units), statement.Digest(), ssh.FingerprintSHA256(key.PublicKey()))
	if f.apply {
		return f.put(ctx, env, manifest)
	}
	return f.print(env, manifest, signed, found)
}

// environment finds out which cluster's entry an environment is, and its seal.
func (f *approveFlags) environment(dir, name string) (gate.Seal, error) {
	data, err := os.ReadFile(filepath.Join(dir, flow.FileName))
	if errors.Is(err, fs.ErrNotExist) {
		if len(f.paths) == 0 {
			return gate.Seal{}, usage("there is no %s in %s that would say what %s is: pass --path", flow.FileName, dir, name)
		}
		return gate.SealOf("", ""), nil
	}
	if err != nil {
		return gate.Seal{}, err
	}
	declared, err := flow.Parse(flow.FileName, data)
	if err != nil {
		return gate.Seal{}, err
	}
	e, known := declared.Environment(name)
	if !known {
		return gate.Seal{}, usage("%s has no environment %s; it has %s", flow.FileName, name, strings.Join(declared.Names(), ", "))
	}
	if len(f.paths) == 0 {
		f.paths = []string{cmp.Or(e.Cluster, e.Directory, ".")}
	}
	repository := ""
	if declared.Forge != nil {
		repository = declared.Forge.URL
	}
	return gate.SealOf(repository, declared.Seal), nil
}

func (f *approveFlags) become(ctx context.Context, dir string, seal gate.Seal) (app.Approvable, error) {
	previews, err := f.config()
	if err != nil {
		return app.Approvable{}, err
	}
	defer hush()()
	return app.Approvables(ctx, app.PlanConfig{
		Previews: previews, Revisions: app.Revisions{Dir: dir, Head: f.head}, Entries: f.entries(),
	}, seal)
}

func unknowns(all []app.Unknown) string {
	lines := make([]string, len(all))
	for i, u := range all {
		lines[i] = fmt.Sprintf("  %s: %s", u.Name, u.Why)
	}
	return strings.Join(lines, "\n")
}

// approvalManifest is the ConfigMap with what one key signed. The name of its entry
// is that of the key, so that a person's last word replaces the one before.
func approvalManifest(rules object.Key, key ssh.PublicKey, signed []byte) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"namespace": rules.Namespace, "name": rules.Name + gate.StatementsSuffix},
		"data":     map[string]any{approvalEntry(key): string(signed)},
	}}
}

func approvalEntry(key ssh.PublicKey) string {
	digest := sha256.Sum256(key.Marshal())
	return "key-" + hex.EncodeToString(digest[:8])
}

// put applies the manifest under a field manager of the key, so that it owns its
// entry and no other.
func (f *approveFlags) put(ctx context.Context, env Env, manifest *unstructured.Unstructured) error {
	w, err := connect(f.live)
	if err != nil {
		return err
	}
	entry := ""
	for name := range manifest.Object["data"].(map[string]any) {
		entry = name
	}
	if _, err := w.Apply(ctx, world.Apply{Object: manifest, Manager: "leat-approve-" + entry}); err != nil {
		return fmt.Errorf("put the approval into the cluster: %w", err)
	}
	fmt.Fprintf(env.Out, "ConfigMap/%s/%s holds it under %s\n", manifest.GetNamespace(), manifest.GetName(), entry)
	return nil
}

func (f *approveFlags) print(env Env, manifest *unstructured.Unstructured, signed []byte, found app.Approvable) error {
	switch f.output {
	case "statement":
		_, err := env.Out.Write(signed)
		return err
	case "json":
		out := json.NewEncoder(env.Out)
		out.SetIndent("", "  ")
		return out.Encode(map[string]any{"units": found.Units, "unknown": found.Unknown, "manifest": manifest.Object})
	}
	text, err := yaml.Marshal(manifest.Object)
	if err != nil {
		return err
	}
	_, err = env.Out.Write(text)
	return err
}
