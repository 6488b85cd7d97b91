package controlplane

import (
	"errors"
	"fmt"
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// etcdLog is etcd's logger. Where etcd would end the process (Fatal) or panic,
// it ends the goroutine instead and reports why, so that a full disk or damaged
// data becomes an error that a person can read.
type etcdLog struct {
	logger *zap.Logger
	fatal  chan error // holds the first fatal message
}

func newEtcdLog(w io.Writer) *etcdLog {
	l := &etcdLog{fatal: make(chan error, 1)}
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.ISO8601TimeEncoder
	core := zapcore.NewCore(zapcore.NewConsoleEncoder(enc), zapcore.Lock(zapcore.AddSync(w)), zapcore.WarnLevel)
	l.logger = zap.New(core, zap.WithFatalHook(l), zap.WithPanicHook(l))
	return l
}

// OnWrite is called after a fatal or panic message was written.
func (l *etcdLog) OnWrite(e *zapcore.CheckedEntry, fields []zapcore.Field) {
	err := errors.New(e.Message)
	for _, f := range fields {
		if cause, ok := f.Interface.(error); ok && f.Type == zapcore.ErrorType {
			err = fmt.Errorf("%s: %w", e.Message, cause)
		}
	}
	select {
	case l.fatal <- err:
	default:
	}
	zapcore.WriteThenGoexit.OnWrite(e, fields)
}

// explain prefers the fatal message, if there was one, to what came after it.
func (l *etcdLog) explain(err error) error {
	select {
	case first := <-l.fatal:
		return first
	default:
		return err
	}
}
