package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/leat-dev/leat/internal/access"
)

func newAccessUse(env Env) *cobra.Command {
	f := &accessFlags{}
	file := ""
	cmd := &cobra.Command{
		Use:   "use NAME [-- COMMAND…]",
		Short: "Work with a grant that you were given",
		Long: `Open the token of a grant with the key that leat access request kept for it, and run
a command whose KUBECONFIG has it; the file is gone when the command ends. Without a
command, --write names a file that it is written to, for you alone to read.`,
		Example: `  leat access use alice-7f3a21 -- kubectl -n shop rollout restart deploy/web
  leat access use alice-7f3a21 -- bash
  leat access use alice-7f3a21 --write ~/.kube/elevated`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if (file == "") == (len(given) == 1) {
				return usage("pass a command after --, or --write FILE")
			}
			content, err := f.elevated(cmd.Context(), env, given[0])
			if err != nil {
				return err
			}
			if file != "" {
				return writeNew(env, file, content)
			}
			return runWith(env, content, given[1:])
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&file, "write", "", "write the kubeconfig to this file, which must not exist")
	return cmd
}

// elevated returns a kubeconfig with the token of a grant.
func (f *accessFlags) elevated(ctx context.Context, env Env, name string) ([]byte, error) {
	people, err := f.people()
	if err != nil {
		return nil, err
	}
	r, err := people.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	tidyKeys(ctx, env.Err, people)
	held := r.Status.Grant
	if r.Status.Phase != access.Active || held == nil {
		return nil, fmt.Errorf("%s does not hold (%s): %s", name, phaseOf(r), r.Why())
	}
	if !time.Now().Before(held.Until.Time) {
		return nil, fmt.Errorf("%s is over since %s; ask anew", name, held.Until.UTC().Format(time.RFC3339))
	}
	keys, err := accessKeys()
	if err != nil {
		return nil, err
	}
	private, err := keys.read(name)
	if err != nil {
		return nil, err
	}
	token, err := access.Open(held.Token, r.Spec.Key, private)
	if err != nil {
		return nil, err
	}
	namespace := ""
	if len(r.Spec.Namespaces) > 0 {
		namespace = r.Spec.Namespaces[0]
	}
	return f.kubeconfig(name, namespace, token)
}

// kubeconfig is that of the target with another user.
func (f *accessFlags) kubeconfig(name, namespace, token string) ([]byte, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.live.kubeconfig
	raw, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: f.live.context}).RawConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	if f.live.context != "" {
		raw.CurrentContext = f.live.context
	}
	now := raw.Contexts[raw.CurrentContext]
	if now == nil || raw.Clusters[now.Cluster] == nil {
		return nil, errors.New("the kubeconfig has no current context with a cluster; pass --kubeconfig or --context")
	}
	out := clientcmdapi.Config{
		CurrentContext: name,
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: now.Cluster, AuthInfo: name, Namespace: namespace}},
		Clusters:       map[string]*clientcmdapi.Cluster{now.Cluster: raw.Clusters[now.Cluster]},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: {Token: token}},
	}
	if err := clientcmdapi.FlattenConfig(&out); err != nil {
		return nil, fmt.Errorf("read the cluster's certificates: %w", err)
	}
	return clientcmd.Write(out)
}

// writeNew writes what nobody else may read.
func writeNew(env Env, file string, content []byte) error {
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("--write: %w", err)
	}
	_, err = out.Write(content)
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("--write: %w", err)
	}
	fmt.Fprintf(env.Out, "export KUBECONFIG=%s\n", file)
	return nil
}

// runWith runs a command with a kubeconfig that is gone when it ends. What the terminal
// interrupts is the command, which may be a shell and go on; who ends leat ends it, too.
func runWith(env Env, content []byte, command []string) error {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGHUP, os.Interrupt) // nothing is left behind
	defer signal.Stop(end)
	dir, err := os.MkdirTemp("", "leat-access-") // for this user alone
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+file)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = env.In, env.Out, env.Err
	if err := cmd.Start(); err != nil {
		return err
	}
	defer passOn(end, cmd.Process)()
	err = cmd.Wait()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return &Exit{Code: max(failed.ExitCode(), 1)}
	}
	return err
}

// passOn gives a process the signals that end this one, until stop. Interrupts it has
// from the terminal already; here they are only kept from ending this process.
func passOn(end chan os.Signal, p *os.Process) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := range end {
			if s != os.Interrupt {
				_ = p.Signal(s) // it may have ended
			}
		}
	}()
	return func() {
		signal.Stop(end)
		close(end)
		<-done
	}
}
