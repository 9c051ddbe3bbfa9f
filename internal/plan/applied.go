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

	"github.com/scim-operator/scim-operator/internal/scim"
)

// Applied is a short hash of each attribute that was last written: SCIM path to hash. It says what differs without keeping the values.
type Applied map[string]string

// appliedVersion names the way of hashing and writing. Who does not know it writes every attribute once more, which changes nothing in the
// app.
const appliedVersion = "v2"

// earlierVersion hashes as appliedVersion does, and writes all names out.
const earlierVersion = "v1"

// Five attributes of the enterprise extension are mapped by default. Their names would be half of what an account takes, in etcd and in the
// cache.
const (
	enterprisePrefix = scim.EnterpriseUserSchemaID + ":"
	// enterpriseMark stands for it. A name with a mark of its own has that escaped.
	enterpriseMark = "@"
)

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

// ParseApplied reads what String gives, or gave in the earlier version. Anything else, a later version too, is nil: everything has to be
// written again.
func ParseApplied(s string) Applied {
	fields := strings.Fields(s)
	if len(fields) == 0 || (fields[0] != appliedVersion && fields[0] != earlierVersion) {
		return nil
	}
	out := make(Applied, len(fields)-1)
	for _, field := range fields[1:] {
		escaped, hash, ok := strings.Cut(field, "=")
		escaped, enterprise := strings.CutPrefix(escaped, enterpriseMark)
		name, err := url.QueryUnescape(escaped)
		if !ok || err != nil || hash == "" {
			return nil
		}
		if enterprise {
			name = enterprisePrefix + name
		}
		out[name] = hash
	}
	return out
}

// String is the form that an account entry keeps: "v2 @department=k3Jd9aXq userName=...", with names escaped as in a URL's query but for the
// colons of URNs.
func (a Applied) String() string {
	var b strings.Builder
	b.WriteString(appliedVersion)
	for _, name := range slices.Sorted(maps.Keys(a)) {
		b.WriteByte(' ')
		short, enterprise := strings.CutPrefix(name, enterprisePrefix)
		if enterprise {
			b.WriteString(enterpriseMark)
		}
		b.WriteString(strings.ReplaceAll(url.QueryEscape(short), "%3A", ":"))
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
