package simkubelet

import (
	"crypto/tls"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"

	"github.com/leat-dev/leat/embedded/internal/loop"
)

// kubelet is the HTTP server of all simulated kubelets: it answers kubectl
// logs, and refuses exec, attach and port-forward with a reason.
func (o Options) kubelet(pods *loop.Loop) (*http.Server, error) {
	cert, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{ns}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, logOf(pods, r.PathValue("ns")+"/"+r.PathValue("pod"), r.PathValue("container")))
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "this pod is simulated by leat: no container runs, so there is nothing to connect to", http.StatusNotImplemented)
	})
	return &http.Server{Handler: mux, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}, nil
}

// logOf is the whole log of a container.
func logOf(pods *loop.Loop, key, container string) string {
	text := fmt.Sprintf("leat: pod %s is simulated: container %s was never started and wrote nothing\n", key, container)
	p, ok := pods.Get(key).(*corev1.Pod)
	if !ok {
		return text
	}
	if value := p.Annotations[Annotation]; value != "" {
		text += fmt.Sprintf("leat: annotation %s is %q\n", Annotation, value)
	}
	return text
}
