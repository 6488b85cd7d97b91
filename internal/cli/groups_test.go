package cli

import "testing"

// A verb outside the groups would stand alone at the end of leat --help, and a group's
// verb that does not exist would be a promise.
func TestEveryVerbHasAGroup(t *testing.T) {
	grouped := map[string]bool{"help": true, "completion": true} // cobra adds these later
	for _, verb := range newRoot(Env{}).Commands() {
		grouped[verb.Name()] = true
		if verb.GroupID == "" && !verb.Hidden {
			t.Errorf("leat %s is in no group of groups.go", verb.Name())
		}
	}
	for _, g := range groups {
		for _, name := range g.verbs {
			if !grouped[name] {
				t.Errorf("groups.go lists leat %s, which does not exist", name)
			}
		}
	}
}
