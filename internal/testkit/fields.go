// Package testkit holds what tests of several packages share.
//
//	testkit.Fields(t, reflect.TypeFor[state](), map[string]string{"units": "", "mu": "a lock"})
//
// It must never be imported by what is no test.
package testkit

import (
	"reflect"
	"testing"
)

// Fields holds the fields of a struct to a table, name → why a copy by hand leaves
// it out (empty: it does not), so that a new one is not forgotten.
func Fields(t testing.TB, of reflect.Type, want map[string]string) {
	t.Helper()
	for i := range of.NumField() {
		if _, known := want[of.Field(i).Name]; !known {
			t.Errorf("%s.%s is new: save and restore it, or say here why not", of, of.Field(i).Name)
		}
	}
	if len(want) > of.NumField() {
		t.Errorf("%s has %d fields, %d are listed", of, of.NumField(), len(want))
	}
}
