// Package e2e holds the behaviour of the engine as tests against a real API
// server: what Kustomizations and GitRepositories do, feature by feature, seen
// only through the API, as a person with kubectl sees it.
//
//	s := up(t)
//	s.commit(files{"app/a.yaml": configMap("a", "1")})
//	s.apply(source, kustomization("app", "path: ./app"))
//	s.ready("app")
//
// Every interval is 24 hours, so that whatever happens was brought by a watch.
// There is no code here beside tests.
package e2e
