// Command gen writes the CustomResourceDefinitions of all Flux kinds to
// ../manifests. It reads the schemas of every API version that Flux ever
// served from upstream's published Go modules, gives each version the union of
// all versions' fields, and adds descriptions from descriptions.yaml and
// messages from messages.yaml. Run it with `go generate ./internal/crd`.
package main

import (
	"flag"
	"log"
)

func main() {
	out := flag.String("out", "../manifests", "directory for the CRD files")
	examples := flag.String("examples", "../testdata/examples", "directory for example objects")
	flag.Parse()
	log.SetFlags(0)
	if err := generate(*out, *examples); err != nil {
		log.Fatalf("gen: %v", err)
	}
}

// generate is the whole program: read, unite with texts, write.
func generate(out, examples string) error {
	kinds, err := readKinds(modules)
	if err != nil {
		return err
	}
	texts, err := readTexts("descriptions.yaml", "messages.yaml")
	if err != nil {
		return err
	}
	for _, k := range kinds {
		c, err := k.unite(texts)
		if err != nil {
			return err
		}
		if err := write(out, c); err != nil {
			return err
		}
		if err := k.writeExamples(examples); err != nil {
			return err
		}
	}
	return texts.unused()
}
