// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Applied is a short hash of each attribute that was last written: SCIM path to hash. It says what differs without keeping the values.
type Applied map[string]string

// appliedVersion names the way of hashing and writing. Another one makes every attribute be written once more, which changes nothing in the app.
const appliedVersion = "v1"

// HashValues hashes values by their JSON: eight characters each, 48 bits of SHA-256. The order of the keys of objects does not matter, that of lists does.
func HashValues(values map[string]any) Applied {
	hashes := make(Applied, len(values))
	for name, value := range values {
		hashes[name] = hashValue(value)
	}
	return hashes
}

func hashValue(value any) string {
	canonical, err := json.Marshal(value) // sorts the keys of maps
	if err != nil {
		canonical = fmt.Append([]byte("not JSON "), value)
	}
	sum := sha256.Sum256(canonical)
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

// ParseApplied reads what String gives. Anything else, a later version too, is nil: everything has to be written again.
func ParseApplied(s string) Applied {
	fields := strings.Fields(s)
	if len(fields) == 0 || fields[0] != appliedVersion {
		return nil
	}
	out := make(Applied, len(fields)-1)
	for _, field := range fields[1:] {
		escaped, hash, ok := strings.Cut(field, "=")
		name, err := url.QueryUnescape(escaped)
		if !ok || err != nil || hash == "" {
			return nil
		}
		out[name] = hash
	}
	return out
}

// String is the form that an account entry keeps: "v1 displayName=k3Jd9aXq userName=...", sorted by name, with names escaped as in a URL's query but for the
// colons of URNs.
func (a Applied) String() string {
	var b strings.Builder
	b.WriteString(appliedVersion)
	for _, name := range slices.Sorted(maps.Keys(a)) {
		b.WriteByte(' ')
		b.WriteString(strings.ReplaceAll(url.QueryEscape(name), "%3A", ":"))
		b.WriteByte('=')
		b.WriteString(a[name])
	}
	return b.String()
}

// With is what was last written once those named in set were, with these values, and those named in clear were taken away. What a request did not name stays: it
// was written before, or is still to be.
func (a Applied) With(values map[string]any, set, clear []string) Applied {
	after := make(Applied, len(a)+len(set))
	maps.Copy(after, a)
	for _, name := range set {
		after[name] = hashValue(values[name])
	}
	for _, name := range clear {
		delete(after, name)
	}
	return after
}
