// Package remote is the way to another cluster than the engine's own: it reads a
// kubeconfig that somebody put into a Secret, connects, and tells whether the
// cluster answers.
//
//	cfg, err := remote.Parse(kubeconfig, remote.Allow{})
//	conn, err := remote.Dial(remote.Target{Config: cfg}, func(err error) { … }) // hears when it answers, and when not any more
//	go conn.Run(ctx)
//	defer conn.Close()
//	w, err := cluster.New(conn.Config, cluster.Options{Client: conn.Client})
//	watches, err := dynamic.NewForConfigAndClient(conn.Config, conn.Watching)
//
// While a cluster does not answer, one request asks for it, at longer and longer
// intervals, and all watches wait for that one.
//
// It must never run a program, read a file or skip a check because a kubeconfig
// says so, and never repeat what stands in one: errors name the entry and the field.
package remote

import (
	"errors"
	"fmt"
	"net/url"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Allow is what the operator lets kubeconfigs do; the flags of Flux's controllers
// (fluxcd/pkg/runtime v0.110 client/kubeconfig.go).
type Allow struct {
	Exec     bool // --insecure-kubeconfig-exec: run the program of user.exec
	Insecure bool // --insecure-kubeconfig-tls: leave the server's certificate unverified
}

// maxKubeconfig bounds a kubeconfig; a Secret holds no more.
const maxKubeconfig = 1 << 20

// Parse reads a kubeconfig and follows its current context. It must hold all that
// it needs: what refers to files, runs programs or turns verification off is an
// error that says so.
func Parse(kubeconfig []byte, allow Allow) (*rest.Config, error) {
	if len(kubeconfig) > maxKubeconfig {
		return nil, fmt.Errorf("the kubeconfig is larger than %d bytes", maxKubeconfig)
	}
	file, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return nil, errors.New("it is not a kubeconfig: want YAML of kind Config, apiVersion v1") // the cause would show what it is
	}
	if err := withoutFiles(file); err != nil {
		return nil, err
	}
	current := file.Contexts[file.CurrentContext]
	if current == nil {
		return nil, fmt.Errorf("the current-context %q of the kubeconfig is not among its contexts", file.CurrentContext)
	}
	cluster, user := file.Clusters[current.Cluster], file.AuthInfos[current.AuthInfo]
	if cluster == nil {
		return nil, fmt.Errorf("the kubeconfig has no cluster %q, which its current context names", current.Cluster)
	}
	if user == nil && current.AuthInfo != "" {
		return nil, fmt.Errorf("the kubeconfig has no user %q, which its current context names", current.AuthInfo)
	}
	if err := checkCluster(current.Cluster, cluster, allow); err != nil {
		return nil, err
	}
	if err := checkUser(current.AuthInfo, user, allow); err != nil {
		return nil, err
	}
	return restConfig(file, allow)
}

// withoutFiles refuses every entry that refers to a file, used or not, as Flux
// does.
func withoutFiles(file *api.Config) error {
	for name, c := range file.Clusters {
		if c != nil && c.CertificateAuthority != "" {
			return fmt.Errorf("cluster '%s' of the kubeconfig references a certificate-authority file, only certificate-authority-data is supported", name)
		}
	}
	for name, u := range file.AuthInfos {
		switch {
		case u == nil:
		case u.TokenFile != "":
			return fmt.Errorf("user '%s' of the kubeconfig references a tokenFile, only an inline token is supported", name)
		case u.ClientCertificate != "":
			return fmt.Errorf("user '%s' of the kubeconfig references a client-certificate file, only client-certificate-data is supported", name)
		case u.ClientKey != "":
			return fmt.Errorf("user '%s' of the kubeconfig references a client-key file, only client-key-data is supported", name)
		}
	}
	return nil
}

func checkCluster(name string, c *api.Cluster, allow Allow) error {
	server, err := url.Parse(c.Server)
	switch {
	case err != nil || server.Host == "" || server.Scheme != "https" && server.Scheme != "http":
		return fmt.Errorf("cluster '%s' of the kubeconfig has no server of the form https://host:port", name)
	case server.User != nil:
		return fmt.Errorf("cluster '%s' of the kubeconfig has a credential in its server, where logs would show it; give the user a token or a certificate", name)
	case c.InsecureSkipTLSVerify && !allow.Insecure:
		return fmt.Errorf("cluster '%s' of the kubeconfig sets insecure-skip-tls-verify; give it certificate-authority-data, or allow it with --insecure-kubeconfig-tls", name)
	}
	return nil
}

func checkUser(name string, u *api.AuthInfo, allow Allow) error {
	switch {
	case u == nil:
		return nil
	case u.AuthProvider != nil:
		return fmt.Errorf("user '%s' of the kubeconfig has an auth-provider, which is not supported; give it a token or a certificate", name)
	case u.Exec != nil && !allow.Exec:
		return fmt.Errorf("user '%s' of the kubeconfig runs a program (exec), which is not allowed; give it a token or a certificate, or allow it with --insecure-kubeconfig-exec", name)
	}
	return nil
}

// restConfig takes over what Flux takes over; whom the kubeconfig acts as is not
// among it.
func restConfig(file *api.Config, allow Allow) (*rest.Config, error) {
	in, err := clientcmd.NewDefaultClientConfig(*file, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, errors.New("the kubeconfig contradicts itself; check it with kubectl --kubeconfig") // the cause may show what is in it
	}
	out := &rest.Config{
		Host: in.Host, APIPath: in.APIPath, Username: in.Username, Password: in.Password, BearerToken: in.BearerToken, Proxy: in.Proxy,
		TLSClientConfig: rest.TLSClientConfig{
			ServerName: in.ServerName, CAData: in.CAData, CertData: in.CertData, KeyData: in.KeyData, Insecure: in.Insecure && allow.Insecure,
		},
	}
	if allow.Exec && in.ExecProvider != nil {
		out.ExecProvider = in.ExecProvider
		out.ExecProvider.InteractiveMode, out.ExecProvider.StdinUnavailable = api.NeverExecInteractiveMode, true
	}
	return out, nil
}
