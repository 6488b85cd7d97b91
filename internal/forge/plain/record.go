package plain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/leat-dev/leat/internal/gate"
)

// record is something that somebody did, signed by who did it.
type record struct {
	Kind string    `json:"kind"`
	Pull int       `json:"pull,omitempty"`
	By   string    `json:"by"`
	At   time.Time `json:"at"`

	Head   string    `json:"head,omitempty"`
	Base   string    `json:"base,omitempty"`
	Title  *string   `json:"title,omitempty"`
	Body   *string   `json:"body,omitempty"`
	State  string    `json:"state,omitempty"`
	Labels *[]string `json:"labels,omitempty"`
	Commit string    `json:"commit,omitempty"`

	ID          string `json:"id,omitempty"` // of a comment
	Verdict     string `json:"verdict,omitempty"`
	Who         string `json:"who,omitempty"` // whose reviews are dismissed
	Context     string `json:"context,omitempty"`
	Description string `json:"description,omitempty"`
	URL         string `json:"url,omitempty"`
}

// The kinds of records.
const (
	opened    = "open"
	changed   = "edit"
	said      = "comment"
	said2     = "comment edited"
	reviewed  = "review"
	dismissed = "dismiss"
	status    = "status"
)

// Namespace keeps these signatures apart from others of the same key
// (PROTOCOL.sshsig): ssh-keygen -Y sign -n forge@leat.dev.
const Namespace = "forge@leat.dev"

// The limits of what is read from a note.
const (
	maxNote    = 4 << 20
	maxRecords = 5000
)

// seal writes a record with its signature, in the armour of ssh-keygen -Y sign.
func seal(r record, key ssh.Signer) ([]byte, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", r.Kind, err)
	}
	line = append(line, '\n')
	sig, err := sshsig.Sign(bytes.NewReader(line), key, sshsig.HashSHA512, Namespace)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", r.Kind, err)
	}
	return append(line, sshsig.Armor(sig)...), nil
}

var (
	begin = []byte("-----BEGIN " + sshsig.PEMType + "-----")
	end   = []byte("-----END " + sshsig.PEMType + "-----\n")
)

// unseal reads the records of a note that people whose signature counts made, by
// time. What is unsigned, signed by others, or signed in another name is not there.
func unseal(note []byte, signers []gate.Signer) []record {
	var out []record
	for len(note) > 0 && len(note) <= maxNote && len(out) < maxRecords {
		at := bytes.Index(note, begin)
		to := bytes.Index(note, end)
		if at < 0 || to < at {
			break
		}
		to += len(end)
		var r record
		if line := note[:at]; json.Unmarshal(line, &r) == nil && made(r.By, line, note[at:to], signers) {
			out = append(out, r)
		}
		note = note[to:]
	}
	slices.SortStableFunc(out, func(a, b record) int { return a.At.Compare(b.At) })
	return out
}

// made tells whether a line was signed with a key of the person in whose name it is.
func made(by string, line, armour []byte, signers []gate.Signer) bool {
	sig, err := sshsig.Unarmor(armour)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(signers, func(s gate.Signer) bool {
		return s.Person == by && sshsig.Verify(bytes.NewReader(line), sig, s.Key, sig.HashAlgorithm, Namespace) == nil
	})
}

// byTime sorts records that come from several notes.
func byTime(list []record) []record {
	slices.SortStableFunc(list, func(a, b record) int { return a.At.Compare(b.At) })
	return list
}
