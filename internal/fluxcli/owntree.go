package fluxcli

import (
	"context"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/world"
)

// ownTree shows what is below leat: health, down to pods.
func (p *program) ownTree(_ context.Context, _ world.World, tree *flux.Tree, f *treeFlags) error {
	return p.printTree(tree, f.output)
}
