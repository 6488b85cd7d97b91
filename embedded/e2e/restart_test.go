package e2e

import (
	"testing"
)

// A new process over the same cluster and data finds everything as it should be
// and writes nothing.
func TestRestartWritesNothing(t *testing.T) {
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "1"), "other/b.yaml": configMap("b", "1")})
	s.save(files{"app/web.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: $ns}\nspec: {ports: [{port: 80}]}\n"})
	s.apply(source, kustomization("app", "path: ./app", "wait: true"), kustomization("other", "path: ./other", "dependsOn: [{name: app}]"))
	s.ready("app")
	s.ready("other")
	s.idle()
	version := s.now("app").ResourceVersion
	s.stop()
	s.start()
	s.settled()
	if got := s.writes(); got != 0 {
		t.Errorf("writes after a restart: got %d, want 0: %v", got, s.app.Requests.Counts())
	}
	if got := s.now("app").ResourceVersion; got != version {
		t.Errorf("the status was written: version %s after %s", got, version)
	}
}

func TestWhatHappenedWhileDown(t *testing.T) {
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "1"), "app/b.yaml": configMap("b", "1"), "app/c.yaml": configMap("c", "1")})
	s.apply(source, kustomization("app", "path: ./app"))
	s.ready("app")
	s.idle()
	s.stop()
	s.patch("ConfigMap/a", `{data: {key: "9"}}`)
	s.delete("ConfigMap/b")
	s.save(files{"app/c.yaml": "", "app/d.yaml": configMap("d", "1")})
	s.start()
	s.ready("app")
	s.data("ConfigMap/a", "1")
	s.data("ConfigMap/b", "1")
	s.absent("ConfigMap/c")
	s.data("ConfigMap/d", "1")
}

// A crash between an apply and the status leaves an object that no inventory
// names. It carries our labels and our Apply entry: the unit prunes it.
func TestObjectOfALostInventoryIsPruned(t *testing.T) {
	owned := "labels: {kustomize.toolkit.fluxcd.io/name: app, kustomize.toolkit.fluxcd.io/namespace: $ns}"
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "1")})
	s.apply(source, kustomization("app", "path: ./app"))
	s.ready("app")
	s.idle()
	s.stop()
	s.applyAs("kustomize-controller", s.decode(configMap("lost", "1", owned))[0])
	s.apply(configMap("theirs", "1", owned))
	s.start()
	s.gone("ConfigMap/lost")
	s.settled()
	s.exists("ConfigMap/theirs")
	s.exists("ConfigMap/a")
}
