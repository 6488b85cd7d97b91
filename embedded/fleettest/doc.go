// Package fleettest brings whole fleets up and compares what becomes of every
// unit with a committed table, both ways: a unit that the table does not name
// fails, and so does one that it names and the fleet no longer has.
//
//	go test ./embedded/fleettest                       every fleet and cluster
//	go test -short ./embedded/fleettest                the example and one cluster of a real fleet
//	go test ./embedded/fleettest -run /radix -update   rewrite tables; read the diff
//
// The real fleets are other people's repositories. They stand beside the
// checkout, in ../shared/fleets, and are skipped where they are absent. What
// they expect to find outside Git stands in testdata: objects for --input, small
// stand-ins for --mirror. It holds tests only.
package fleettest
