package schema

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/applyconfigurations"
	clientscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/leat-dev/leat/internal/world"
)

//go:embed kinds.txt
var kindsTable string

//go:embed apiservice.yaml
var apiServiceDefinition []byte

// scheme holds the Go types of the built-in kinds.
var scheme = sync.OnceValue(func() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientscheme.AddToScheme(s))
	utilruntime.Must(apiextensions.AddToScheme(s))
	return s
})

// coreTypes are the merge types that client-go carries, parsed once, when first
// asked for: about 387 kB of YAML.
var coreTypes = sync.OnceValue(func() managedfields.TypeConverter {
	return applyconfigurations.NewTypeConverter(scheme())
})

// Builtin returns the kinds that a Kubernetes 1.36 API server serves by itself.
var Builtin = sync.OnceValue(func() *Kinds {
	kinds := &Kinds{byKind: map[schema.GroupKind]versions{}}
	for line := range strings.Lines(kindsTable) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		kinds.add(builtinKind(fields))
	}
	for _, v := range kinds.byKind {
		for _, k := range v.kinds {
			k.Versions = v.order
		}
	}
	return kinds.With(apiService())
})

func builtinKind(fields []string) *Kind {
	gv, err := schema.ParseGroupVersion(fields[0])
	utilruntime.Must(err)
	k := &Kind{
		Mapping: world.Mapping{
			GVK: gv.WithKind(fields[1]), Resource: fields[2], Namespaced: fields[3] == "namespaced",
		},
		Status:  slices.Contains(fields[4:], "status"),
		Counted: slices.Contains(fields[4:], "generation"),
		Frozen:  slices.Contains(fields[4:], "frozen"),
		types:   coreTypes,
	}
	for _, f := range []string{"labels", "annotations"} {
		if slices.Contains(fields[4:], f) {
			k.CountedMeta = append(k.CountedMeta, f)
		}
	}
	if gv.Group == apiextensions.GroupName {
		k.types = definitionTypes
	}
	k.goTyped = scheme().Recognizes(k.GVK)
	return k
}

func (k *Kinds) add(kind *Kind) {
	v, ok := k.byKind[kind.GVK.GroupKind()]
	if !ok {
		v.kinds = map[string]*Kind{}
	}
	v.order = append(v.order, kind.GVK.Version)
	v.kinds[kind.GVK.Version] = kind
	k.byKind[kind.GVK.GroupKind()] = v
}

// apiService is the one built-in kind whose Go type lives in a module of its
// own; a definition stands in for it.
func apiService() *Definition {
	u, err := decodeYAML(apiServiceDefinition)
	utilruntime.Must(err)
	d, err := Compile(u)
	utilruntime.Must(err)
	for _, k := range d.served.kinds {
		k.Counted = false
	}
	return d
}

// BuiltinGroup tells whether Kubernetes itself serves the API group.
func BuiltinGroup(group string) bool { return builtinGroups()[group] }

var builtinGroups = sync.OnceValue(func() map[string]bool {
	groups := map[string]bool{}
	for gk := range Builtin().byKind {
		groups[gk.Group] = true
	}
	return groups
})
