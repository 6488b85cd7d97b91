package simservice

import (
	"encoding/json"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Aggregated serves the discovery of every API that an APIService adds: the
// group version exists and has no resources, so that the APIService becomes
// Available and discovery of the other groups stays complete.
func Aggregated() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /apis/{group}/{version}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(metav1.APIResourceList{
			TypeMeta:     metav1.TypeMeta{APIVersion: "v1", Kind: "APIResourceList"},
			GroupVersion: r.PathValue("group") + "/" + r.PathValue("version"),
			APIResources: []metav1.APIResource{},
		})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the pods behind this Service are simulated by leat: it has no answer", http.StatusNotFound)
	})
	return mux
}
