// Package fluxtest holds the verbs of flux against a live cluster: transcripts of
// what is typed and what comes, and beside them the real command line of Flux,
// which must say the same to the byte.
//
//	go test ./embedded/fluxtest                                  # the transcripts
//	FLUX_REAL=$(tools/fluxcli) go test ./embedded/fluxtest       # and the comparison
//
// One cluster serves all: a copy of examples/platform and testdata/lab.yaml, brought up as
// leat up does. A transcript is testdata/*.txtar, file «transcript»: a line «$ …»
// is typed, stdout follows as it is, stderr after «2> », and the exit code where it
// is not 0. Lines «$$ …» are ours alone. Times and ages are replaced by <time>.
package fluxtest
