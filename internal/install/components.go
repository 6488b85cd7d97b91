package install

import (
	"slices"

	"github.com/leat-dev/leat/internal/crd"
)

// The components, by the names that Flux gives its controllers.
const (
	SourceController          = "source-controller"
	KustomizeController       = "kustomize-controller"
	HelmController            = "helm-controller"
	NotificationController    = "notification-controller"
	ImageReflectorController  = "image-reflector-controller"
	ImageAutomationController = "image-automation-controller"
	SourceWatcher             = "source-watcher"
)

// component is a part of the work that can be done by a process of its own.
type component struct {
	name string
	// kinds are those that it reconciles, as the names of their CRDs.
	kinds []string
	// ports are those that it listens on, beside metrics and health.
	ports []port
	// services lead to its ports.
	services []service
	// data is set for those that keep files.
	data bool
	// temp is the name of the volume at /tmp: overlays of fleets patch it.
	temp string
	// critical pods are scheduled first and evicted last.
	critical bool
	// grace is how many seconds work in flight may take at the end.
	grace int64
	// appliers act for others: they take a default ServiceAccount.
	applier bool
	// noRefs: its objects cannot refer to other namespaces anyway.
	noRefs bool
	// noEvents: it sends its events to nobody.
	noEvents bool
}

// port is one that a container opens, under the name by which Services find it.
type port struct {
	// name is that in a Deployment of its own, alone that in the one Deployment.
	name, alone string
	number      int32
	// numberAlone is the number in the one Deployment, where it differs.
	numberAlone int32
	// notYet marks what this release does not listen on. No container declares
	// it, so the Service leads nowhere and refuses connections at once, as DNS
	// and manifests of fleets still find it. To open it, remove the mark.
	notYet bool
}

// service is one that outsiders know, at port 80.
type service struct {
	name string
	port port
}

// Ports of every container.
const (
	metricsPort = 8080 // http-prom
	healthPort  = 9440 // healthz
)

// The ports that outsiders reach through Services. In the one Deployment
// artifacts keep 9090, so events get a number of their own.
var (
	artifacts = port{name: "http", alone: "http", number: 9090, numberAlone: 9090}
	events    = port{name: "http", alone: "http-events", number: 9090, numberAlone: 9091, notYet: true}
	webhooks  = port{name: "http-webhook", alone: "http-webhook", number: 9292, numberAlone: 9292, notYet: true}
)

// components are all there are, in the order in which they are rendered.
var components = []component{
	{
		name: SourceController, data: true, temp: "tmp", critical: true, grace: 10, noRefs: true,
		kinds: []string{
			"buckets." + crd.SourceGroup, "externalartifacts." + crd.SourceGroup, "gitrepositories." + crd.SourceGroup,
			"helmcharts." + crd.SourceGroup, "helmrepositories." + crd.SourceGroup, "ocirepositories." + crd.SourceGroup,
		},
		ports: []port{artifacts}, services: []service{{SourceController, artifacts}},
	},
	{
		name: KustomizeController, temp: "temp", critical: true, grace: 60, applier: true,
		kinds: []string{"kustomizations." + crd.KustomizeGroup},
	},
	{
		name: HelmController, temp: "temp", critical: true, grace: 600, applier: true,
		kinds: []string{"helmreleases." + crd.HelmGroup},
	},
	{
		name: NotificationController, temp: "temp", grace: 10, noEvents: true,
		kinds: []string{
			"alerts." + crd.NotificationGroup, "providers." + crd.NotificationGroup, "receivers." + crd.NotificationGroup,
		},
		ports:    []port{events, webhooks},
		services: []service{{NotificationController, events}, {"webhook-receiver", webhooks}},
	},
	{
		name: ImageReflectorController, data: true, temp: "temp", grace: 10,
		kinds: []string{"imagepolicies." + crd.ImageGroup, "imagerepositories." + crd.ImageGroup},
	},
	{
		name: ImageAutomationController, temp: "temp", grace: 10,
		kinds: []string{"imageupdateautomations." + crd.ImageGroup},
	},
	{
		name: SourceWatcher, data: true, temp: "tmp", critical: true, grace: 10,
		kinds: []string{"artifactgenerators." + crd.SourceExtensionsGroup},
		ports: []port{artifacts}, services: []service{{SourceWatcher, artifacts}},
	},
}

// ComponentNames returns the names of all components, in the usual order.
func ComponentNames() []string {
	names := make([]string, len(components))
	for i, c := range components {
		names[i] = c.name
	}
	return names
}

// parts returns the chosen components in the usual order.
func (o Options) parts() []component {
	var chosen []component
	for _, c := range components {
		if slices.Contains(o.Components, c.name) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

// everything tells whether no component was left out.
func (r *rendering) everything() bool { return len(r.parts) == len(components) }

// servesFiles tells whether others read files of c: two processes at once would
// answer with different ones.
func (c component) servesFiles() bool { return slices.Contains(c.ports, artifacts) }
