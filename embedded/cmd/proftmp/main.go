package main

import (
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime/pprof"
	"runtime/trace"
	"time"

	"github.com/leat-dev/leat/embedded/verb"
)

func main() {
	go http.ListenAndServe("127.0.0.1:6099", nil)
	if p := os.Getenv("STARTPROF"); p != "" {
		f, _ := os.Create(p)
		pprof.StartCPUProfile(f)
		time.AfterFunc(1500*time.Millisecond, func() { pprof.StopCPUProfile(); f.Close() })
	}
	if p := os.Getenv("STARTTRACE"); p != "" {
		f, _ := os.Create(p)
		trace.Start(f)
		time.AfterFunc(1500*time.Millisecond, func() { trace.Stop(); f.Close() })
	}
	os.Exit(verb.ControlPlane(os.Args[1:]))
}
