// Command mkimage writes the container image of Leat as an OCI image layout.
//
//	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/leat-linux-amd64 ./cmd/leat
//	go run ./internal/image/cmd/mkimage -binary bin/leat-linux-amd64 -output dist/leat-image
//	skopeo copy oci:dist/leat-image:dev docker://registry.example.com/leat:dev
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/leat-dev/leat/internal/image"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

func run() error {
	binaries := flag.String("binary", "", "static linux programs, one per architecture, separated by commas")
	output := flag.String("output", "dist/leat-image", "directory of the image; one that is there is replaced")
	archive := flag.String("tar", "", "also write the image as this tar archive")
	version := flag.String("version", "dev", "release, and tag of the image")
	revision := flag.String("revision", "", "commit (default: the one in the binary)")
	flag.Parse()
	created, err := sourceDate()
	if err != nil {
		return err
	}
	var paths []string
	if *binaries != "" {
		paths = strings.Split(*binaries, ",")
	}
	idx, err := image.Build(image.Options{Binaries: paths, Version: *version, Revision: *revision, Created: created})
	if err != nil {
		return err
	}
	if err := image.WriteDir(*output, idx); err != nil {
		return err
	}
	if *archive != "" {
		if err := image.WriteTar(*archive, idx); err != nil {
			return err
		}
	}
	return report(*output, idx)
}

// sourceDate reads SOURCE_DATE_EPOCH (reproducible-builds.org), seconds.
func sourceDate() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q: want seconds", text)
	}
	return time.Unix(seconds, 0), nil
}

func report(dir string, idx v1.ImageIndex) error {
	images, err := image.Images(idx)
	if err != nil {
		return err
	}
	for _, i := range images {
		fmt.Printf("%s linux/%s %s %.1f MiB compressed\n", dir, i.Arch, i.Digest, float64(i.Size)/(1<<20))
	}
	return nil
}
