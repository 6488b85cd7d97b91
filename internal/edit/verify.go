package edit

import "go.yaml.in/yaml/v3"

// became tells whether a text says what another said with one node changed.
func (t *text) became(next *text, old, changed *yaml.Node) bool {
	if len(next.docs) != len(t.docs) {
		return false
	}
	same := sameNodes{old: old, changed: changed}
	for i, doc := range t.docs {
		if !same.as(doc, next.docs[i]) {
			return false
		}
	}
	return true
}

// sameNodes compares trees, with one node of the first exchanged.
type sameNodes struct{ old, changed *yaml.Node }

func (s sameNodes) as(was, is *yaml.Node) bool {
	if was == s.old {
		was = s.changed
	}
	if was.Kind != is.Kind || was.Value != is.Value || was.Anchor != is.Anchor || len(was.Content) != len(is.Content) {
		return false
	}
	if was.Kind != yaml.AliasNode && was.ShortTag() != is.ShortTag() {
		return false // an alias has the tag of what it names
	}
	for i, c := range was.Content {
		if !s.as(c, is.Content[i]) {
			return false
		}
	}
	return true
}
