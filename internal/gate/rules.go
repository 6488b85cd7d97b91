package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/yaml"
)

// Rules is what the cluster keeps about an environment, under RulesKey of a
// ConfigMap that is not part of the fleet:
//
//	environment: production
//	repository: https://git.example.com/team/fleet
//	seal: 5e0f…                 # as in leat.yaml
//	count: 2
//	users: [carol]
//	groups: {platform: [alice, bob]}
//	require: [platform]
//	signers: |
//	  alice ssh-ed25519 AAAA…
type Rules struct {
	Environment string              `json:"environment"`
	Repository  string              `json:"repository,omitempty"`
	Seal        string              `json:"seal,omitempty"`
	Count       int                 `json:"count"`
	Users       []string            `json:"users,omitempty"`
	Require     []string            `json:"require,omitempty"`
	Groups      map[string][]string `json:"groups,omitempty"`
	Same        map[string]string   `json:"same,omitempty"`
	Signers     string              `json:"signers"`
}

// RulesKey is where a ConfigMap holds the rules; a second one, named by its name and
// StatementsSuffix, holds the signed statements, each under any key.
const (
	RulesKey         = "approvers.yaml"
	StatementsSuffix = "-approvals"
)

// ParseRules reads rules. What they say nothing of is an error where it would let
// everything through.
func ParseRules(text []byte, now time.Time) (Line, Seal, error) {
	var r Rules
	var other *json.UnmarshalTypeError
	if err := yaml.UnmarshalStrict(text, &r); errors.As(err, &other) && other.Field == "groups" && other.Value == "object" {
		return Line{}, Seal{}, fmt.Errorf("%s: groups: want people who have keys; a team of the forge has no say here, where the line must hold without the forge", RulesKey)
	} else if err != nil {
		return Line{}, Seal{}, fmt.Errorf("%s: %w", RulesKey, err)
	}
	line := Line{
		Environment: r.Environment, Rule: Rule{Count: r.Count, Users: r.Users, Groups: r.Require},
		People: People{Groups: r.Groups, Same: Persons(r.Same)},
	}
	switch may := len(line.People.Designated(line.Rule)); {
	case r.Environment == "":
		return Line{}, Seal{}, fmt.Errorf("%s: environment is missing", RulesKey)
	case r.Count < 1:
		return Line{}, Seal{}, fmt.Errorf("%s: count must be at least 1", RulesKey)
	case may < r.Count:
		return Line{}, Seal{}, fmt.Errorf("%s: count is %d, and users and require name %d people", RulesKey, r.Count, may)
	}
	for _, group := range r.Require {
		if _, known := r.Groups[group]; !known {
			return Line{}, Seal{}, fmt.Errorf("%s: require names the group %s, which groups does not have", RulesKey, group)
		}
	}
	var err error
	if line.Signers, err = Signers([]byte(r.Signers), now); err != nil {
		return Line{}, Seal{}, fmt.Errorf("%s: %w", RulesKey, err)
	}
	return line, SealOf(r.Repository, r.Seal), nil
}
