package gate

import (
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestParseRules(t *testing.T) {
	const text = "environment: production\ncount: 2\nusers: [carol]\nrequire: [platform]\ngroups: {platform: [alice, bob]}\nsigners: |\n  alice "
	whole := text + string(ssh.MarshalAuthorizedKey(keyOf(t, "alice").PublicKey()))
	line, _, err := ParseRules([]byte(whole), at(0))
	if err != nil || line.Environment != "production" || len(line.Signers) != 1 || len(line.People.Designated(line.Rule)) != 3 {
		t.Fatalf("got %+v, %v", line, err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"a word too many":  {"count:", "kount: 1\ncount:", `unknown field "kount"`},
		"nobody is needed": {"count: 2", "count: 0", "count must be at least 1"},
		"too few people":   {"count: 2", "count: 4", "count is 4, and users and require name 3 people"},
		"no such group":    {"require: [platform]", "require: [platform, ops]", "the group ops, which groups does not have"},
		"no environment":   {"environment: production", "environment: ''", "environment is missing"},
		"a team":           {"[alice, bob]", "[alice, {team: acme/ops}]", "groups: want people who have keys; a team of the forge has no say here"},
		"a broken key":     {"alice ssh-", "alice xsh-", "signers, line 1"},
	} {
		if _, _, err := ParseRules([]byte(strings.Replace(whole, c.old, c.new, 1)), at(0)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
