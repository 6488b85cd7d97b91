package cli

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts run the program as a command, in a directory of their own.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == isolatedVerb { // what a script runs starts this program as its child
		os.Exit(Main(context.Background(), os.Args[1:], Env{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	testscript.Main(m, map[string]func(){
		"leat": func() {
			os.Exit(Main(context.Background(), os.Args[1:], Env{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
		},
		"flux": func() {
			os.Exit(Main(context.Background(), os.Args[1:], Env{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Program: "flux"}))
		},
		// exits CODE COMMAND… in place of an exit code that scripts cannot tell.
		"leatexit": func() {
			code := Main(context.Background(), os.Args[2:], Env{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
			if want := os.Args[1]; want != string(rune('0'+code)) {
				os.Stderr.WriteString("exit " + string(rune('0'+code)) + ", want " + want + "\n")
				os.Exit(1)
			}
		},
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: func(e *testscript.Env) error {
		e.Setenv("XDG_CACHE_HOME", e.WorkDir+"/cache")
		e.Setenv("HOME", e.WorkDir)
		return nil
	}})
}
