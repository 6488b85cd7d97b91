package fleet

import (
	"fmt"
	"path"
	"strings"
)

// Files are the files of the repository's first commit, by path.
func (f Fleet) Files() map[string][]byte {
	files := map[string][]byte{"README.md": []byte("# A fleet for measurements\n")}
	for i := range f.o.Apps {
		for name, text := range map[string]string{
			"kustomization.yaml":  kustomization,
			"serviceaccount.yaml": serviceAccount,
			"service.yaml":        service,
			"ingress.yaml":        ingress,
		} {
			files[path.Join(f.Dir(i), name)] = f.fill(i, text)
		}
		for p, b := range f.SetMessage(i, "1") {
			files[p] = b
		}
	}
	return files
}

// Dir is the directory of app i.
func (f Fleet) Dir(i int) string { return "apps/" + f.App(i) }

// SetMessage is the change of one line of one file of app i: the value of the
// environment variable MESSAGE of its Deployment.
func (f Fleet) SetMessage(i int, message string) map[string][]byte {
	text := strings.ReplaceAll(deployment, "MESSAGE_VALUE", message)
	return map[string][]byte{path.Join(f.Dir(i), "deployment.yaml"): f.fill(i, text)}
}

// Manifests are the paths of the files of app i that hold objects.
func (f Fleet) Manifests(i int) []string {
	var all []string
	for _, name := range []string{"deployment", "ingress", "service", "serviceaccount"} {
		all = append(all, fmt.Sprintf("%s/%s.yaml", f.Dir(i), name))
	}
	return all
}

func (f Fleet) fill(i int, text string) []byte {
	return []byte(strings.NewReplacer("APP", f.App(i), "SPACE", f.Namespace(i)).Replace(text))
}

const kustomization = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- deployment.yaml
- serviceaccount.yaml
- service.yaml
- ingress.yaml
`

const serviceAccount = `apiVersion: v1
kind: ServiceAccount
metadata:
  name: APP
  namespace: SPACE
  labels:
    app.kubernetes.io/name: APP
automountServiceAccountToken: false
`

const service = `apiVersion: v1
kind: Service
metadata:
  name: APP
  namespace: SPACE
  labels:
    app.kubernetes.io/name: APP
  annotations:
    leat.dev/owner: team-bench
spec:
  type: ClusterIP
  selector:
    app.kubernetes.io/name: APP
  ports:
  - name: http
    port: 9898
    protocol: TCP
    targetPort: http
`

const ingress = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: APP
  namespace: SPACE
  labels:
    app.kubernetes.io/name: APP
spec:
  ingressClassName: nginx
  rules:
  - host: APP.example.com
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: APP
            port:
              number: 9898
`

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: APP
  namespace: SPACE
  labels:
    app.kubernetes.io/name: APP
    app.kubernetes.io/part-of: fleet
  annotations:
    leat.dev/owner: team-bench
spec:
  replicas: 0
  revisionHistoryLimit: 3
  progressDeadlineSeconds: 60
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
  selector:
    matchLabels:
      app.kubernetes.io/name: APP
  template:
    metadata:
      labels:
        app.kubernetes.io/name: APP
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "9797"
    spec:
      serviceAccountName: APP
      containers:
      - name: podinfo
        image: ghcr.io/stefanprodan/podinfo:6.9.0
        imagePullPolicy: IfNotPresent
        command:
        - ./podinfo
        - --port=9898
        - --port-metrics=9797
        - --level=info
        env:
        - name: MESSAGE
          value: "MESSAGE_VALUE"
        ports:
        - name: http
          containerPort: 9898
          protocol: TCP
        - name: http-metrics
          containerPort: 9797
          protocol: TCP
        livenessProbe:
          initialDelaySeconds: 5
          timeoutSeconds: 5
          httpGet:
            path: /healthz
            port: 9898
        readinessProbe:
          initialDelaySeconds: 5
          timeoutSeconds: 5
          httpGet:
            path: /readyz
            port: 9898
        resources:
          limits:
            cpu: "2"
            memory: 512Mi
          requests:
            cpu: 100m
            memory: 64Mi
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
`
