// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"
)

// The keywords of RFC 9865 3, which extend table 9 of RFC 7644.
const (
	ScimTypeInvalidCursor ScimType = "invalidCursor"
	ScimTypeExpiredCursor ScimType = "expiredCursor"
	ScimTypeInvalidCount  ScimType = "invalidCount"
)

// InvalidCursor: the cursor is none of ours, or one of another query.
func InvalidCursor(format string, args ...any) *Error {
	return badRequest(ScimTypeInvalidCursor, format, args)
}

// ExpiredCursor: the cursor is too old.
func ExpiredCursor(format string, args ...any) *Error {
	return badRequest(ScimTypeExpiredCursor, format, args)
}

// InvalidCount: the count of a page by cursor is not positive.
func InvalidCount(format string, args ...any) *Error {
	return badRequest(ScimTypeInvalidCount, format, args)
}

// CursorKeySize is the length of the secret of Cursors, in bytes.
const CursorKeySize = 32

// Cursors makes and reads the cursors of RFC 9865. A cursor holds a position, encrypted and authenticated, so that a client can neither read nor change it, and is
// good for one query of one client until it expires. Nothing is stored: everybody who has the secret reads the cursors of everybody else who has it. It may be used
// by many goroutines at once.
type Cursors struct {
	aead     cipher.AEAD
	nonceKey []byte
}

// NewCursors takes a secret of CursorKeySize random bytes.
func NewCursors(secret []byte) (*Cursors, error) {
	if len(secret) != CursorKeySize {
		return nil, fmt.Errorf("the secret of the cursors has %d bytes instead of %d", len(secret), CursorKeySize)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "scim-operator cursor: encryption", 32)
	if err != nil {
		return nil, err
	}
	nonceKey, err := hkdf.Key(sha256.New, secret, nil, "scim-operator cursor: nonce", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &Cursors{aead: aead, nonceKey: nonceKey}, err
}

// cursorText is URL-safe, as RFC 9865 2 wants it, and strict, so that each cursor has one spelling.
var cursorText = base64.RawURLEncoding.Strict()

// Seal gives the cursor for a position. query is whatever the cursor has to come back with. expires counts in whole seconds.
func (c *Cursors) Seal(query, position []byte, expires time.Time) string {
	plain := append(binary.BigEndian.AppendUint64(nil, uint64(expires.Unix())), position...)
	nonce := c.nonce(query, plain)
	return cursorText.EncodeToString(c.aead.Seal(nonce, nonce, plain, query))
}

// nonce follows from the content (as in RFC 5297), so that it never comes twice with different ones, and no source of randomness is needed.
func (c *Cursors) nonce(query, plain []byte) []byte {
	mac := hmac.New(sha256.New, c.nonceKey)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(query))))
	mac.Write(query)
	mac.Write(plain)
	return mac.Sum(nil)[:c.aead.NonceSize()]
}

// Open gives the position of a cursor. 400 invalidCursor for one that was not sealed for this query, 400 expiredCursor for one that was, but is too old at that time.
func (c *Cursors) Open(cursor string, query []byte, now time.Time) (position []byte, err error) {
	sealed, err := cursorText.DecodeString(cursor)
	if err != nil || len(sealed) < c.aead.NonceSize() {
		return nil, errForeignCursor()
	}
	nonce, sealed := sealed[:c.aead.NonceSize()], sealed[c.aead.NonceSize():]
	plain, err := c.aead.Open(nil, nonce, sealed, query)
	if err != nil || len(plain) < 8 {
		return nil, errForeignCursor()
	}
	if expires := int64(binary.BigEndian.Uint64(plain)); now.Unix() >= expires {
		return nil, ExpiredCursor("the cursor has expired: begin again with an empty cursor, and do not wait longer than cursorTimeout in /ServiceProviderConfig between pages")
	}
	return plain[8:], nil
}

func errForeignCursor() *Error {
	return InvalidCursor("the cursor belongs to no page of this query: send nextCursor as it was answered, " +
		"with the same client, path, filter, sortBy and sortOrder, or begin again with an empty cursor")
}
