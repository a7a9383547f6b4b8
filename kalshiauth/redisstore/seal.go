package redisstore

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
)

// sealed is how an encrypted value begins. The text is authenticated.
const sealed = "kalshiauth-aes256gcm-1:"

func newCipher(key []byte) (cipher.AEAD, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("it has %d bytes, and AES-256 needs 32", len(key))
	}
	block, err := aes.NewCipher(key) // copies the key
	if err != nil {
		return nil, fmt.Errorf("aes: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("gcm: %w", err)
	}
	return aead, nil
}

// seal encrypts data for the key name of Redis, if there is a cipher.
func seal(ciphers []cipher.AEAD, name string, data []byte) []byte {
	if len(ciphers) == 0 {
		return data
	}
	return ciphers[0].Seal([]byte(sealed), nil, data, []byte(sealed+name)) //nolint:gosec // it makes a random nonce
}

// open returns what seal got.
func open(ciphers []cipher.AEAD, name string, value []byte) ([]byte, error) {
	encrypted, ok := bytes.CutPrefix(value, []byte(sealed))
	switch {
	case len(ciphers) == 0 && ok:
		return nil, errors.New("the session is encrypted: use WithEncryptionKey")
	case len(ciphers) == 0:
		return value, nil
	case !ok:
		return nil, errors.New("what is stored is not encrypted, and this store has an encryption key")
	}
	for _, c := range ciphers {
		if data, err := c.Open(nil, nil, encrypted, []byte(sealed+name)); err == nil {
			return data, nil
		}
	}
	return nil, fmt.Errorf("none of the %d encryption keys decrypts it: it was encrypted with another one, copied from "+
		"another key of Redis, or changed", len(ciphers))
}
