package flow

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/leat-dev/leat/internal/gate"
)

// Member is who belongs to a group: a person, written as their name alone, or everybody
// in a team of the forge.
type Member struct {
	// A person's name at the forge.
	User string `json:"-"`
	// All of a team or group that the forge has, by its name there (docs/forges.md).
	Team string `json:"team" want:"required,team"`
}

var memberType = reflect.TypeFor[Member]()

// member reads a name, or a mapping that names a team.
func (d *decoder) member(at string, n *yaml.Node, v reflect.Value) {
	switch n.Kind {
	case yaml.ScalarNode:
		d.scalar(n, v.FieldByName("User"))
	case yaml.MappingNode:
		d.object(at, n, v)
	default:
		d.fail(n, "want a person's name, or {team: NAME} for a team of the forge")
	}
}

// Team is what the forge said of a team.
type Team struct {
	Members []Account
	// Unread says why it could not be read; empty where it was.
	Unread string
}

// Account is a member of a team.
type Account struct{ ID, Login string }

// maxTeams bounds how many teams of the forge a file names: each is asked for.
const maxTeams = 50

// TeamsOf are the teams whose members may have a say in an environment, sorted, each
// once.
func (f Flow) TeamsOf(environment string) []string {
	var out []string
	for _, g := range f.Gates {
		if g.Approvals == nil || !slices.Contains(g.Environments, environment) {
			continue
		}
		for _, group := range g.Approvals.Groups {
			out = append(out, f.teamsIn(group)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (f Flow) teamsIn(group string) []string {
	var out []string
	for _, m := range f.Groups[group] {
		if m.Team != "" {
			out = append(out, m.Team)
		}
	}
	return out
}

// People says who belongs together, by what the forge said of its teams. A team of
// which it said nothing is not read: nobody of it is in a group.
func (f Flow) People(teams map[string]Team) gate.People {
	out := gate.People{Groups: map[string][]string{}, Same: gate.Persons(f.Same), Unread: map[string][]gate.Unread{}, IDs: map[string][]string{}}
	for group, members := range f.Groups {
		out.Groups[group] = []string{}
		for _, m := range members {
			if m.Team == "" {
				out.Groups[group] = append(out.Groups[group], m.User)
				continue
			}
			team, asked := teams[m.Team]
			if !asked {
				team.Unread = "the forge was not asked"
			}
			if team.Unread != "" {
				out.Unread[group] = append(out.Unread[group], gate.Unread{Team: m.Team, Why: team.Unread})
				continue
			}
			for _, a := range team.Members {
				out.Groups[group] = append(out.Groups[group], a.Login)
				if login := strings.ToLower(a.Login); a.ID != "" && !slices.Contains(out.IDs[login], a.ID) {
					out.IDs[login] = append(out.IDs[login], a.ID)
				}
			}
		}
	}
	return out
}

// groups may name teams where there is a forge that has some, and not too many.
func (d *decoder) groups(f Flow) {
	seen := map[string]bool{}
	for group, members := range f.Groups {
		for i, m := range members {
			if err := m.against(f.Forge); err != nil {
				d.failAt(fmt.Sprintf("groups.%s[%d]", group, i), "%v", err)
			}
			if m.Team != "" {
				seen[m.Team] = true
			}
		}
	}
	if len(seen) > maxTeams {
		d.failAt("groups", "they name %d teams of the forge, more than %d", len(seen), maxTeams)
	}
}

// teamForms say what the name of a team is at forges where not every name can be one, and
// of how many parts.
var teamForms = map[string]struct {
	least, most int
	form        string
}{
	"azure-devops":    {1, 2, "<team> or <project>/<team>"},
	"bitbucket-cloud": {1, 1, "<workspace>: Bitbucket Cloud shows no smaller groups"},
	"gitea":           {2, 2, "<organisation>/<team>"},
	"github":          {2, 2, "<organisation>/<team>"},
}

// against says why there cannot be such a member at a forge; nil where there can.
func (m Member) against(at *Forge) error {
	hosted := at != nil && at.Kind != plainGit
	switch {
	case m.Team == "" && hosted && strings.Contains(m.User, "/"):
		return fmt.Errorf("%q is no person's name; for a team of the forge write {team: %s}", m.User, strings.TrimPrefix(m.User, "@"))
	case m.Team == "":
		return nil
	case at == nil:
		return errors.New("a team of which forge? Nothing is said under forge, and plain Git has no teams; add forge: {kind: KIND, url: ADDRESS}, or name the people")
	case !hosted:
		return errors.New("plain Git has no teams; name the people")
	}
	parts := strings.Count(m.Team, "/") + 1
	if want, ok := teamForms[at.Kind]; ok && (parts < want.least || parts > want.most) {
		return fmt.Errorf("%q is no team there; want %s", m.Team, want.form)
	}
	return nil
}

// plainGit is the kind of the forge that is none.
const plainGit = "git"

// maxTeam bounds the name of a team, in bytes.
const maxTeam = 255

// checkTeam keeps out what is no name of a team at any forge.
func checkTeam(text, _ string) error {
	switch {
	case len(text) > maxTeam:
		return fmt.Errorf("it has %d bytes, more than %d", len(text), maxTeam)
	case strings.HasPrefix(text, "@"):
		return fmt.Errorf("%q: want the name without the @", text)
	case strings.ContainsFunc(text, unicode.IsControl), strings.TrimSpace(text) != text:
		return fmt.Errorf("%q is no name of a team", text)
	}
	for part := range strings.SplitSeq(text, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("%q is no name of a team; want one as acme/platform", text)
		}
	}
	return nil
}
