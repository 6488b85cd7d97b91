package controlplane

import (
	"net"
	"sync"
)

// conns is a listener that can close the connections it accepted. HTTP/2
// keeps idle ones open for a second after the server said goodbye, and a stop
// would wait for that.
type conns struct {
	net.Listener
	mu   sync.Mutex
	open map[*conn]struct{}
}

type conn struct {
	net.Conn
	of *conns
}

func trackConns(l net.Listener) *conns { return &conns{Listener: l, open: map[*conn]struct{}{}} }

// Accept waits for the next connection.
func (c *conns) Accept() (net.Conn, error) {
	nc, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	tracked := &conn{nc, c}
	c.open[tracked] = struct{}{}
	return tracked, nil
}

// Close closes the connection and forgets it.
func (c *conn) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// closeAll closes the connections that are open.
func (c *conns) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for open := range c.open {
		_ = open.Conn.Close()
	}
}
