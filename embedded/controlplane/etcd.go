package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/leat-dev/leat/embedded/internal/memnet"
)

const (
	// etcdEndpoint is never dialled: the network answers for it.
	etcdEndpoint = "http://etcd.leat.invalid:2379"
	// etcdSegment is the size of a log segment, in bytes; two are allocated up front.
	etcdSegment = 16 << 20
	// etcdQuota bounds the database, in bytes.
	etcdQuota = 4 << 30
	// etcdElection bounds how long the only member may take to elect itself once
	// it has read its data; it takes a tenth of a second.
	etcdElection = 15 * time.Second
)

// etcd is a single-member etcd that only this process can reach: its clients
// connect through memory, so there is no port and no socket file.
type etcd struct {
	network *memnet.Network
	member  *embed.Etcd
	server  *grpc.Server
	log     *etcdLog
}

func newEtcd(log io.Writer) *etcd {
	return &etcd{network: memnet.New(), log: newEtcdLog(log)}
}

// start reads the data in dir and serves. Connections that were made before are
// served then. Damaged data is an error that says
// what to remove; etcd itself would end the process there.
func (e *etcd) start(ctx context.Context, dir string, fsync bool) error {
	wal.SegmentSizeBytes = etcdSegment
	started := make(chan error, 1)
	go func() {
		err := errors.New("stopped") // what remains when a fatal log ends this goroutine
		defer func() {
			if p := recover(); p != nil { // etcd panics on damaged data
				err = fmt.Errorf("%v", p)
			}
			started <- err
		}()
		e.member, err = embed.StartEtcd(e.config(dir, fsync))
	}()
	select {
	case err := <-started:
		if err != nil {
			return damaged(dir, e.log.explain(err))
		}
	case err := <-e.log.fatal:
		return damaged(dir, err)
	}
	select {
	case <-e.member.Server.ReadyNotify():
	case err := <-e.log.fatal:
		return damaged(dir, err)
	case <-time.After(etcdElection):
		return damaged(dir, fmt.Errorf("its log is incomplete: no leader after %s", etcdElection))
	case <-ctx.Done():
		return ctx.Err()
	}
	e.serve()
	return nil
}

// damaged adds to a start-up error what a person can do about it.
func damaged(dir string, err error) error {
	return fmt.Errorf("etcd cannot start from %s: %w; if the disk is full, free some space; if the data is damaged, remove that directory (the objects in it are lost) and start again", dir, err)
}

func (e *etcd) serve() {
	e.server = v3rpc.Server(e.member.Server, nil, nil,
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second}),
		grpc.SharedWriteBuffer(true),
	)
	go func() { _ = e.server.Serve(e.network) }()
}

// watch reports when etcd gives up, for example because the disk is full.
func (e *etcd) watch(failed chan<- error) {
	select {
	case err := <-e.log.fatal:
		failed <- fmt.Errorf("etcd gave up: %w; if the disk is full, free some space and start again: what was written before is kept", err)
	case <-e.member.Server.StopNotify():
	}
}

// stop ends serving and closes the database. It is for after a start without error.
func (e *etcd) stop() {
	e.server.Stop()
	_ = e.network.Close()
	e.member.Close()
}

func (e *etcd) config(dir string, fsync bool) *embed.Config {
	c := embed.NewConfig()
	c.Name = "leat"
	c.Dir = dir
	c.ListenClientUrls, c.ListenPeerUrls = nil, nil
	c.AdvertiseClientUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:2379"}} // required, never listened on
	c.AdvertisePeerUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:2380"}}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.UnsafeNoFsync = !fsync
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(e.log.logger)
	c.TickMs, c.ElectionMs = 20, 100 // the single member elects itself at once; each tick costs idle CPU
	c.EnableGRPCGateway = false
	c.QuotaBackendBytes = etcdQuota
	c.WarningUnaryRequestDuration = embed.DefaultWarningUnaryRequestDuration // zero logs every request
	return c
}
