// Package simkubelet simulates what machines do in a Kubernetes cluster: nodes
// that are ready, pods that run or finish, volumes that bind, load balancers
// that have an address. No container is started. Everything it touches says so:
// the node's name, label and nodeInfo, a pod condition, the reason of Ready, and
// what kubectl logs prints.
//
//	network := memnet.New() // give network.Egress to the API server
//	err := simkubelet.Options{Config: admin, Nodes: 1, Network: network, ...}.Run(ctx)
//
// The annotation leat.dev/simulate of a pod (from its template) makes failures:
//
//	fail         never ready, restarts again and again (CrashLoopBackOff)
//	slow         ready, or for a Job succeeded, after 5 s; slow=30s after 30 s
//	job-exit-1   the containers end with exit code 1
//
// It watches, and wakes for a pod only when that pod changes or is due. It must
// never report something as ready without saying that it is simulated.
package simkubelet
