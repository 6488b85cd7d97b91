package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

var statusType = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}

// statusOf is an error as an API server answers it.
func statusOf(err error) *metav1.Status {
	if meta.IsNoMatchError(err) {
		err = errNoPath
	}
	var known apierrors.APIStatus
	if !errors.As(err, &known) {
		known = apierrors.NewInternalError(err)
	}
	status := known.Status()
	status.TypeMeta = statusType
	if status.Code == 0 {
		status.Code = http.StatusInternalServerError
	}
	return &status
}

func respond(req *http.Request, answer any) (*http.Response, error) {
	code := http.StatusOK
	switch v := answer.(type) {
	case *metav1.Status:
		if v.Status == metav1.StatusFailure {
			code = int(v.Code)
		}
	case *unstructured.Unstructured:
		answer = v.Object // without the codec, which would sort it once more
		if req.Method == http.MethodPost {
			code = http.StatusCreated
		}
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("answer %s %s: %w", req.Method, req.URL.Path, err)
	}
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": []string{"application/json"}}, ContentLength: int64(len(body)),
		Body: io.NopCloser(bytes.NewReader(body)),
	}, nil
}
