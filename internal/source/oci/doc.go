// Package oci reads artifacts and Helm charts from container registries, over
// go-containerregistry as Flux does.
//
//	pool := oci.NewPool(oci.Options{})
//	access, err := oci.AccessOf(oci.Secrets{Pull: []map[string][]byte{data}})
//	repo, err := pool.Repository("oci://ghcr.io/acme/app", access)
//	rev, err := repo.Resolve(ctx, oci.Ref{SemVer: "6.x"}, since) // "6.2.1@sha256:…"
//	man, err := repo.Manifest(ctx, rev.Digest)                   // strictly by digest
//	layer, err := man.Layer("")                                  // or by media type
//	b, err := repo.Blob(ctx, layer)                              // as it is stored, in memory
//	err = repo.Copy(ctx, layer, file)                            // the same, written
//	t, notes, err := repo.Tree(ctx, layer)                       // unpacked
//
// Charts lie in repositories of their own, one for each name:
//
//	repo, err := pool.Repository("oci://ghcr.io/acme/charts/podinfo", access)
//	tags, err := repo.Tags(ctx, since)                    // as they are written there
//	chart, err := oci.PullChart(ctx, repo, oci.ChartWanted{Version: "~6.2", Since: since, Max: 10 << 20}) // chart.Version, .Revision, .Content
//
// All who name the same registry with the same access share one connection
// pool, one login, one answer to the same question (see since) and one copy of
// what has a digest. since is how old an answer may be: one that was asked for
// at or after it will do, whoever asked; pass the present for a fresh one.
//
// Errors have a Class. It must never send a credential to another host than
// the registry and the token server that this names, nor believe bytes whose
// digest it has not checked, nor read an answer without a bound. It keeps no
// file.
package oci
