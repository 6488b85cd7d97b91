package fluxcli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/world"
)

func (p *program) newDelete() *cobra.Command {
	var silent bool
	cmd := &cobra.Command{
		Use: "delete", Short: "Delete objects; a Kustomization with prune takes along what it applied",
		Example: `  delete kustomization apps
  delete source git podinfo --silent`,
	}
	cmd.PersistentFlags().BoolVarP(&silent, "silent", "s", false, "do not ask")
	p.nouns(cmd, kindsOf(flux.Delete), one, func(k flux.Kind) *cobra.Command {
		return &cobra.Command{
			Use: k.Noun.Name + " [name]", Short: "Delete a " + k.Kind,
			RunE: func(cmd *cobra.Command, args []string) error {
				if len(args) < 1 {
					return fmt.Errorf("%s name is required", k.Human)
				}
				ctx, cancel := p.timeout(cmd)
				defer cancel()
				sure := p.asked
				if silent {
					sure = func(string) bool { return true }
				}
				return p.reached(p.delete(ctx, flux.Asked{Kind: k, Namespace: p.namespace(), Name: args[0]}, sure))
			},
		}
	})
	return cmd
}

func (p *program) delete(ctx context.Context, a flux.Asked, sure func(question string) bool) error {
	w, err := p.cluster()
	if err != nil {
		return err
	}
	if _, err := w.Get(ctx, a.Ref()); err != nil {
		return err
	}
	if !sure("Are you sure you want to delete this " + a.Kind.Human) {
		return errors.New("aborting")
	}
	p.act("deleting %s %s in %s namespace", a.Kind.Human, a.Name, a.Namespace)
	if err := w.Delete(ctx, world.Delete{Ref: a.Ref()}); err != nil {
		return err
	}
	p.succeed("%s deleted", a.Kind.Human)
	return nil
}

// asked puts a question on stderr. No answer is no.
func (p *program) asked(question string) bool {
	fmt.Fprintf(p.Err, "%s? [y/N] ", question)
	if p.In == nil {
		return false
	}
	answer, err := bufio.NewReader(p.In).ReadString('\n')
	if err != nil {
		fmt.Fprintln(p.Err) // the answer did not end the line
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
