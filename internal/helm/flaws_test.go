package helm

import (
	"errors"
	"strings"
	"testing"
)

func TestSteady(t *testing.T) {
	const said = `values don't meet the specifications of the schema(s) in the following chart(s):
web:
- at '/replicas': got string, want integer
- at '/image': 'allOf' failed
  - at '/image/tag': got number, want string
    and it says more
  - at '/image/repository': missing
sub:
- at '/b': no
- at '/a': no
`
	const want = `values don't meet the specifications of the schema(s) in the following chart(s):
web:
- at '/image': 'allOf' failed
  - at '/image/repository': missing
  - at '/image/tag': got number, want string
    and it says more
- at '/replicas': got string, want integer
sub:
- at '/a': no
- at '/b': no
`
	cause := errors.New(said)
	got := steady(cause)
	if got.Error() != want || !errors.Is(got, cause) {
		t.Errorf("got\n%s", got)
	}
	for _, text := range []string{"- at 'b'\n- at 'a'", strings.Repeat(" ", 1000)} {
		if other := errors.New(text); steady(other) != other {
			t.Errorf("changed: %q", text)
		}
	}
	if steady(nil) != nil {
		t.Error("nil became an error")
	}
}
