// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

var cursorNow = time.Unix(1_800_000_000, 0)

func testCursors(t testing.TB, secret string) *Cursors {
	t.Helper()
	c, err := NewCursors([]byte(strings.Repeat(secret, CursorKeySize)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCursorsAreGoodForTheirQueryUntilTheyExpire(t *testing.T) {
	c := testCursors(t, "k")
	expires := cursorNow.Add(time.Hour)
	cursor := c.Seal([]byte("query"), []byte("kim@corp.test"), expires)
	if cursor != c.Seal([]byte("query"), []byte("kim@corp.test"), expires) {
		t.Error("one position has two cursors")
	}
	// Another replica with the same secret reads it.
	got, err := testCursors(t, "k").Open(cursor, []byte("query"), expires.Add(-time.Second))
	if err != nil || string(got) != "kim@corp.test" {
		t.Fatal(string(got), err)
	}
	_, err = c.Open(cursor, []byte("query"), expires)
	isError(t, asError(t, err), 400, ScimTypeExpiredCursor, "begin again")
	for name, open := range map[string]func() ([]byte, error){
		"another query":  func() ([]byte, error) { return c.Open(cursor, []byte("other"), cursorNow) },
		"another secret": func() ([]byte, error) { return testCursors(t, "x").Open(cursor, []byte("query"), cursorNow) },
		"padded":         func() ([]byte, error) { return c.Open(cursor+"=", []byte("query"), cursorNow) },
		"cut off":        func() ([]byte, error) { return c.Open(cursor[:10], []byte("query"), cursorNow) },
		"empty":          func() ([]byte, error) { return c.Open("", []byte("query"), cursorNow) },
	} {
		_, err := open()
		if isError(t, asError(t, err), 400, ScimTypeInvalidCursor, "cursor"); strings.Contains(asError(t, err).Detail, "kim") {
			t.Error(name)
		}
	}
	if _, err := NewCursors([]byte("short")); err == nil || strings.Contains(err.Error(), "short") {
		t.Error(err)
	}
}

// Nothing of a position can be read from its cursor, and no byte of the cursor can be another.
func TestCursorsAreSealed(t *testing.T) {
	c := testCursors(t, "k")
	cursor := c.Seal([]byte("query"), []byte("kim@corp.test"), cursorNow.Add(time.Hour))
	raw, err := cursorText.DecodeString(cursor)
	if err != nil || bytes.Contains(raw, []byte("kim")) {
		t.Fatal(err)
	}
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range cursor {
		for _, letter := range letters {
			forged := cursor[:i] + string(letter) + cursor[i+1:]
			if _, err := c.Open(forged, []byte("query"), cursorNow); forged != cursor && err == nil {
				t.Fatalf("byte %d may be %c", i, letter)
			}
		}
	}
}

// FuzzCursor: no panic; what is sealed comes back, and only with its query; what is not sealed is refused.
func FuzzCursor(f *testing.F) {
	c := testCursors(f, "k")
	f.Add("query", []byte("position"), int64(3600), c.Seal([]byte("query"), []byte("position"), cursorNow))
	f.Add("", []byte{}, int64(-1), "")
	f.Add(`["default","okta","","","User"]`, []byte(`{"c":1700000000,"n":"u-x","s":100}`), int64(0), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, query string, position []byte, seconds int64, forged string) {
		expires := cursorNow.Add(time.Duration(seconds%1e9) * time.Second)
		cursor := c.Seal([]byte(query), position, expires)
		got, err := c.Open(cursor, []byte(query), cursorNow)
		if seconds%1e9 <= 0 {
			isError(t, asError(t, err), 400, ScimTypeExpiredCursor, "")
		} else if err != nil || !bytes.Equal(got, position) {
			t.Fatalf("%q came back as %q: %v", position, got, err)
		}
		if _, err := c.Open(cursor, []byte(query+"x"), cursorNow); err == nil {
			t.Fatal("it is good for another query")
		}
		// What the corpus has of real cursors was sealed for one query, and has expired.
		if _, err := c.Open(forged, []byte(query), cursorNow); err == nil && forged != cursor {
			t.Fatalf("%q was never sealed", forged)
		} else if err != nil {
			refused(t, err)
		}
	})
}
