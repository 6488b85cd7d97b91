package access

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/crypto/nacl/box"
)

// keySize is the length of the keys in bytes (X25519).
const keySize = 32

// maxToken bounds a token that is sealed or opened, in bytes.
const maxToken = 64 << 10

// NewKey makes a key pair for one request, in base64.
func NewKey() (public, private string, err error) {
	pub, priv, err := box.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("make a key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(pub[:]), base64.StdEncoding.EncodeToString(priv[:]), nil
}

// Seal encrypts a token so that only the holder of the private key reads it: an
// anonymous box of NaCl (X25519, XSalsa20-Poly1305; golang.org/x/crypto/nacl/box).
func Seal(token, public string) (string, error) {
	key, err := parseKey(public)
	if err != nil {
		return "", err
	}
	sealed, err := box.SealAnonymous(nil, []byte(token), key, rand.Reader)
	if err != nil {
		return "", fmt.Errorf("seal the token: %w", err)
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}

// Open decrypts what Seal made for a pair of keys.
func Open(sealed, public, private string) (string, error) {
	if len(sealed) > 2*maxToken {
		return "", errors.New("open the token: it is too long")
	}
	pub, err := parseKey(public)
	if err != nil {
		return "", err
	}
	priv, err := parseKey(private)
	if err != nil {
		return "", err
	}
	text, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return "", fmt.Errorf("open the token: %w", err)
	}
	token, ok := box.OpenAnonymous(nil, text, pub, priv)
	if !ok {
		return "", errors.New("open the token: it is not sealed to this key")
	}
	return string(token), nil
}

// IsKey tells whether a text is a key.
func IsKey(text string) bool {
	_, err := parseKey(text)
	return err == nil
}

// Pair tells whether two keys, in base64, are the halves of one pair.
func Pair(public, private string) bool {
	pub, err := parseKey(public)
	if err != nil {
		return false
	}
	priv, err := parseKey(private)
	if err != nil {
		return false
	}
	key, err := ecdh.X25519().NewPrivateKey(priv[:])
	return err == nil && bytes.Equal(key.PublicKey().Bytes(), pub[:])
}

func parseKey(text string) (*[keySize]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != keySize {
		return nil, fmt.Errorf("read the key: want %d bytes in base64", keySize)
	}
	return (*[keySize]byte)(raw), nil
}
