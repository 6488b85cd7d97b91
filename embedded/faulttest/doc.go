// Package faulttest puts faults between a client and its API server, and kills
// clients at chosen writes. Both are http.RoundTrippers, the one place through
// which reads, writes, dry runs, statuses, watches and events all pass.
//
//	faults := faulttest.NewFaults(seed)
//	cfg.WrapTransport = faults.Wrap // of a copied rest.Config
//	…
//	faults.Stop()                   // from here on everything goes through
//
//	crash := faulttest.CrashAt(7, faulttest.After)
//	cfg.WrapTransport = crash.Wrap
//	<-crash.Done()                  // the seventh write was made; its answer never came
//
// The order of the faults is that of the seed; which request meets which one is
// up to the scheduler of the client. It must never be used outside tests.
package faulttest
