package create

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Alert are the flags of create alert.
type Alert struct {
	ProviderRef, Severity string
	Sources               []string // kind/name[.namespace]
}

// Object implements Maker.
func (f Alert) Object(m Meta) (*unstructured.Unstructured, error) {
	if f.ProviderRef == "" {
		return nil, errors.New("provider ref is required; pass --provider-ref")
	}
	var sources []any
	for _, text := range f.Sources {
		ref := parse(text)
		if ref.Kind == "" {
			return nil, fmt.Errorf("invalid event source '%s', must be in format <kind>/<name>", text)
		}
		sources = append(sources, ref.object())
	}
	if len(sources) == 0 {
		return nil, errors.New("at least one event source is required; pass --event-source=<kind>/<name>")
	}
	d, err := m.object("notification.toolkit.fluxcd.io/v1beta3", "Alert")
	if err != nil {
		return nil, err
	}
	d.keep("spec.providerRef.name", f.ProviderRef)
	d.set("spec.eventSeverity", f.Severity)
	d.keep("spec.eventSources", sources)
	return d.done(), nil
}

// Provider are the flags of create alert-provider.
type Provider struct{ Type, Channel, Username, Address, SecretRef string }

// Object implements Maker.
func (f Provider) Object(m Meta) (*unstructured.Unstructured, error) {
	if f.Type == "" {
		return nil, errors.New("Provider type is required; pass --type") //nolint:staticcheck // upstream's text
	}
	d, err := m.object("notification.toolkit.fluxcd.io/v1beta3", "Provider")
	if err != nil {
		return nil, err
	}
	d.keep("spec.type", f.Type)
	d.set("spec.channel", f.Channel)
	d.set("spec.username", f.Username)
	d.set("spec.address", f.Address)
	d.set("spec.secretRef.name", f.SecretRef)
	return d.done(), nil
}

// Receiver are the flags of create receiver.
type Receiver struct {
	Type, SecretRef   string
	Events, Resources []string
}

// Object implements Maker.
func (f Receiver) Object(m Meta) (*unstructured.Unstructured, error) {
	if f.Type == "" {
		return nil, errors.New("Receiver type is required; pass --type") //nolint:staticcheck // upstream's text
	}
	if f.SecretRef == "" {
		return nil, errors.New("secret ref is required; pass --secret-ref")
	}
	var resources []any
	for _, text := range f.Resources {
		kind, name := cutKind(text)
		if kind == "" {
			return nil, fmt.Errorf("invalid event source '%s', must be in format <kind>/<name>", text)
		}
		resources = append(resources, Reference{Kind: kind, Name: name}.object())
	}
	if len(resources) == 0 {
		return nil, errors.New("atleast one resource is required; pass --resource=<kind>/<name>")
	}
	d, err := m.object("notification.toolkit.fluxcd.io/v1", "Receiver")
	if err != nil {
		return nil, err
	}
	d.keep("spec.type", f.Type)
	d.set("spec.events", texts(f.Events))
	d.keep("spec.resources", resources)
	d.keep("spec.secretRef.name", f.SecretRef)
	return d.done(), nil
}
