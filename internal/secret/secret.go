// Package secret holds values that cannot be printed by mistake. A Value looks
// the same in logs, errors, JSON and diffs: a keyed fingerprint, which tells
// equal secrets from different ones and nothing else.
//
//	pw := secret.Of("hunter2")
//	fmt.Println(pw)          // secret:5d41402a
//	req.SetBasicAuth(user, pw.Reveal())
//
// It must never offer a second way to the clear text: Reveal is the one word to
// search for when looking at where secrets go.
package secret

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

// MaxKey bounds a private key in PEM, in bytes: reading one of RSA takes time with the
// square of its length, minutes at the size that a Secret may have, and cannot be
// ended. RSA of 16,384 bits takes 13 KiB.
const MaxKey = 64 << 10

// Value is a secret string. The zero Value is empty. Values are compared with
// Equal: the text sits behind a function, so that neither reflection nor a
// printer of unexported fields reaches it.
type Value struct{ reveal func() string }

// Of wraps s; an empty s gives the zero Value.
func Of(s string) Value {
	if s == "" {
		return Value{}
	}
	return Value{reveal: func() string { return s }}
}

// OfBytes wraps a copy of b.
func OfBytes(b []byte) Value { return Of(string(b)) }

// Reveal returns the clear text.
func (v Value) Reveal() string {
	if v.reveal == nil {
		return ""
	}
	return v.reveal()
}

// IsZero tells whether v is empty.
func (v Value) IsZero() bool { return v.reveal == nil }

// Equal compares in a time that does not depend on the contents.
func (v Value) Equal(o Value) bool {
	return subtle.ConstantTimeCompare([]byte(v.Reveal()), []byte(o.Reveal())) == 1
}

// Key keys fingerprints. Fingerprints under different keys cannot be compared,
// and without the key no guess of a secret can be checked.
type Key []byte

// NewKey returns a random key.
func NewKey() Key {
	k := make(Key, sha256.Size)
	rand.Read(k) // never fails, see crypto/rand
	return k
}

// processKey keys what String and its kin print: two prints of one process can
// be compared, those of two processes cannot.
var processKey = NewKey()

// Digest returns the HMAC-SHA256 of v under k.
func (k Key) Digest(v Value) [sha256.Size]byte {
	mac := hmac.New(sha256.New, k)
	io.WriteString(mac, v.Reveal())
	return [sha256.Size]byte(mac.Sum(nil))
}

// Fingerprint returns secret: and eight hexadecimal digits of the keyed digest,
// or secret:empty.
func (k Key) Fingerprint(v Value) string {
	if v.IsZero() {
		return "secret:empty"
	}
	sum := k.Digest(v)
	return "secret:" + hex.EncodeToString(sum[:4])
}

// String returns the fingerprint of v under the key of this process.
func (v Value) String() string { return processKey.Fingerprint(v) }

// GoString returns what String returns.
func (v Value) GoString() string { return v.String() }

// Format writes the fingerprint, whatever the verb.
func (v Value) Format(f fmt.State, _ rune) { io.WriteString(f, v.String()) }

// MarshalText gives the fingerprint to encoders of text.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// MarshalJSON gives the fingerprint to encoding/json and what builds on it.
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + v.String() + `"`), nil }

// LogValue gives the fingerprint to log/slog.
func (v Value) LogValue() slog.Value { return slog.StringValue(v.String()) }
