package forge

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
)

// SignedSHA256 checks that one of the secrets made a signature in hexadecimal
// digits over a webhook's body (HMAC-SHA256), and that the body is not too long. Most
// services write sha256= before it.
func SignedSHA256(signature string, body []byte, secrets []secret.Value) error {
	if err := CheckBody(body); err != nil {
		return err
	}
	sum, err := hex.DecodeString(strings.TrimPrefix(signature, "sha256="))
	if err != nil || len(sum) != sha256.Size {
		return Unsigned("it bears no signature")
	}
	for _, s := range secrets {
		mac := hmac.New(sha256.New, []byte(s.Reveal()))
		mac.Write(body)
		if !s.IsZero() && hmac.Equal(mac.Sum(nil), sum) {
			return nil
		}
	}
	return Unsigned("none of our secrets made its signature")
}

// Shared checks that a webhook of a service that signs nothing bears one of the secrets
// itself, and that its body is not too long.
func Shared(given string, body []byte, secrets []secret.Value) error {
	if err := CheckBody(body); err != nil {
		return err
	}
	for _, s := range secrets {
		if !s.IsZero() && subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(given)) == 1 {
			return nil
		}
	}
	return Unsigned("it bears none of our secrets")
}

// CheckBody refuses a webhook that is too long.
func CheckBody(body []byte) error {
	if len(body) > MaxAnswer {
		return &fault.Error{Class: fault.TooLarge, Err: fmt.Errorf("the webhook has %d bytes, more than %d", len(body), MaxAnswer)}
	}
	return nil
}

// Unsigned is the answer to a webhook that cannot be from the forge.
func Unsigned(why string) error {
	return &fault.Error{Class: fault.Auth, Err: errors.New("the webhook is refused: " + why)}
}
