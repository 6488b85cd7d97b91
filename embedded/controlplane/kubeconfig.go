package controlplane

import (
	"fmt"
	"os"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// writeKubeconfig writes a self-contained kubeconfig for one of the pki's clients.
func (p pki) writeKubeconfig(path, server, client string) error {
	files := map[string][]byte{}
	for _, name := range []string{"ca.crt", client + ".crt", client + ".key"} {
		b, err := os.ReadFile(p.file(name))
		if err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		files[name] = b
	}
	cfg := clientcmdapi.NewConfig()
	cfg.Clusters["leat"] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: files["ca.crt"]}
	cfg.AuthInfos[client] = &clientcmdapi.AuthInfo{ClientCertificateData: files[client+".crt"], ClientKeyData: files[client+".key"]}
	cfg.Contexts["leat"] = &clientcmdapi.Context{Cluster: "leat", AuthInfo: client}
	cfg.CurrentContext = "leat"
	data, err := clientcmd.Write(*cfg)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return writeFile(path, data)
}

// adminConfig is a client configuration with all rights and no rate limit.
func (p pki) adminConfig(server string) *rest.Config {
	return &rest.Config{
		Host:  server,
		QPS:   -1,
		Burst: -1,
		TLSClientConfig: rest.TLSClientConfig{
			CAFile: p.file("ca.crt"), CertFile: p.file("admin.crt"), KeyFile: p.file("admin.key"),
		},
	}
}
