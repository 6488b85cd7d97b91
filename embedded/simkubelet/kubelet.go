package simkubelet

import (
	"crypto/tls"
	"net/http"
)

// kubelet is the HTTP server of all simulated kubelets: it answers kubectl
// logs, and refuses exec, attach and port-forward with a reason.
func (o Options) kubelet(l *logs) (*http.Server, error) {
	cert, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /containerLogs/{ns}/{pod}/{container}", l)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "this pod is simulated by leat: no container runs, so there is nothing to connect to", http.StatusNotImplemented)
	})
	return &http.Server{Handler: mux, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}, nil
}
