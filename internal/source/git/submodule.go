package git

import "context"

func (r *Remote) withSubmodules(ctx context.Context, out Checkout, modules []module, c Commit, depth int) (Checkout, error) {
	return out, nil
}

func (r *Remote) renew(ctx context.Context, t Target) error { return nil }
