# make build    bin/leat, with the embedded control plane (the first time takes about five minutes)
# make test     everything; make short: the quick suite
VERSION ?= dev
LDFLAGS := -s -w -X github.com/leat-dev/leat/internal/cli.Version=$(VERSION)

.PHONY: build controller test short lint race generate image clean

build: ## the full program
	go build -ldflags "$(LDFLAGS)" -o bin/leat ./embedded/cmd/leat

controller: ## the program without Kubernetes in it, as it runs in a cluster
	CGO_ENABLED=0 GOWORK=off go build -ldflags "$(LDFLAGS)" -o bin/leat-controller ./cmd/leat

test: ## every test of both modules
	go test -timeout 30m ./...
	go test -p 2 -timeout 30m ./embedded/...

short: ## the quick suite
	go test -short -timeout 10m ./...
	go test -short -p 1 -timeout 10m ./embedded/...

race: ## the race detector on the engine's packages
	go test -race -short -timeout 15m -run 'Concurrent|Cache|OwnSchema|Remote|Guards' ./internal/build
	go test -race -short -timeout 15m ./internal/sched/... ./internal/apply/... ./internal/engine/... ./internal/controller/... ./internal/world/live/... ./internal/report/... ./internal/commit/...

lint:
	test -z "$$(gofmt -l cmd internal bench embedded)" || (gofmt -l cmd internal bench embedded; exit 1)
	go vet ./... ./embedded/...
	GOWORK=off go tool -modfile=tools/go.mod staticcheck ./...
	GOWORK=off go vet ./...

generate: ## generated files; CI fails when they are not up to date
	go generate ./internal/crd

image: ## an OCI image layout in dist/
	GOWORK=off go run ./internal/image/cmd/mkimage

clean:
	rm -rf bin embedded/bin dist
