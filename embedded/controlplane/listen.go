package controlplane

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// listen opens the API server's port on 127.0.0.1. Port 0 prefers the port of
// the last run, so that kubeconfigs that people copied stay good.
func (d *dataDir) listen(port int) (net.Listener, error) {
	if port == 0 {
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(d.lastPort())); err == nil {
			return l, d.keepPort(l)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d on 127.0.0.1 is taken: stop what listens there, choose another --port, or leave --port out to get a free one", port)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on 127.0.0.1:%d: %w; choose another --port", port, err)
	}
	return l, d.keepPort(l)
}

func (d *dataDir) lastPort() int {
	b, err := os.ReadFile(d.join("port"))
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}

func (d *dataDir) keepPort(l net.Listener) error {
	return writeFile(d.join("port"), []byte(strconv.Itoa(portOf(l))))
}

func portOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
