package live

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
)

// Objects that stood for long are judged when somebody asks: whatever happens, that is
// told and seen which would be if they had been judged at once.
func TestStandingIsJudgedInTime(t *testing.T) {
	for seed := range uint64(200) {
		draw := rand.New(rand.NewPCG(seed, 3))
		var moves [2][]Move
		var tables [2]Told
		for i := range tables {
			tables[i] = NewTold(Config{Moved: func(m Move) { moves[i] = append(moves[i], m) }, Managers: plan.Managers{Own: object.ManagerKustomize}})
			for name := range 4 {
				tables[i].Stand(named(name, 1+name))
			}
		}
		tables[0].settleAll()
		version := 10
		for range 12 {
			name := draw.IntN(5)
			version += draw.IntN(2)
			obj := named(name, version)
			key, op := object.KeyOf(obj), draw.IntN(6)
			var seen [2]string
			for i, table := range tables {
				switch op {
				case 0:
					table.Changed(obj)
				case 1:
					table.Gone(obj)
				case 2:
					table.Note(obj)
				case 3:
					table.Forget(key)
				case 4:
					s, exists, followed := table.Seen(key)
					seen[i] = fmt.Sprint(s, exists, followed)
				default:
					rows, _ := table.Len()
					seen[i] = fmt.Sprint(rows, table.Owned(object.Key{Group: object.GroupKustomize, Kind: "Kustomization", Namespace: "x", Name: "y"}))
				}
			}
			if seen[0] != seen[1] || !reflect.DeepEqual(moves[0], moves[1]) {
				t.Fatalf("seed %d, %d of %s: at once %s %v, in time %s %v", seed, op, key, seen[0], moves[0], seen[1], moves[1])
			}
		}
	}
}

func named(name, version int) *unstructured.Unstructured {
	obj := configMap(fmt.Sprint(version))
	obj.SetName(fmt.Sprintf("n%d", name))
	obj.SetLabels(map[string]string{object.OwnerName: "y", object.OwnerNamespace: "x"})
	obj.Object["metadata"].(map[string]any)["managedFields"] = []any{map[string]any{
		"manager": object.ManagerKustomize, "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
		"fieldsV1": map[string]any{"f:data": map[string]any{fmt.Sprintf("f:%d", version): map[string]any{}}},
	}}
	return obj
}
