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
const appliedVersion = "v3"

// earlierVersions hash as appliedVersion does. They write the extension of each name out; v1 that of the enterprise extension, too.
var earlierVersions = []string{"v1", "v2"}

// MaxApplied is the largest size of Account.applied, in bytes.
const MaxApplied = 3072

// Five attributes of the enterprise extension are mapped by default. Their names would be half of what an account takes, in etcd and in the
// cache.
const (
	enterprisePrefix = scim.EnterpriseUserSchemaID + ":"
	// enterpriseMark stands for it. A name with a mark of its own has that escaped.
	enterpriseMark = "@"
	// extensionMark and the URN of another extension are a field of their own. The names after it are of that extension.
	extensionMark = "+"
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

// ParseApplied reads what String gives, or gave in an earlier version. Anything else, a later version too, is nil: everything has to be
// written again.
func ParseApplied(s string) Applied {
	fields := strings.Fields(s)
	if len(fields) == 0 || (fields[0] != appliedVersion && !slices.Contains(earlierVersions, fields[0])) {
		return nil
	}
	out := make(Applied, len(fields)-1)
	extension := ""
	for _, field := range fields[1:] {
		escaped, hash, ok := strings.Cut(field, "=")
		if urn, marked := strings.CutPrefix(field, extensionMark); !ok && marked && fields[0] == appliedVersion {
			extension = urn + ":"
			continue
		}
		escaped, enterprise := strings.CutPrefix(escaped, enterpriseMark)
		name, err := url.QueryUnescape(extension + escaped)
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

// String is the form that an account entry keeps: "v3 @department=k3Jd9aXq userName=... +urn:example:1.0:User badge=...", with names escaped as in a URL's query but for
// the colons of URNs. It is empty where that takes more than MaxApplied bytes: everything is written again, and names that are not mapped any more are not cleared.
func (a Applied) String() string {
	byExtension := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		short, enterprise := strings.CutPrefix(name, enterprisePrefix)
		escaped, mark, extension := strings.ReplaceAll(url.QueryEscape(short), "%3A", ":"), "", ""
		if enterprise {
			mark = enterpriseMark
		} else if colon := strings.LastIndexByte(escaped, ':'); colon >= 0 {
			extension, escaped = extensionMark+escaped[:colon], escaped[colon+1:]
		}
		byExtension[extension] = append(byExtension[extension], mark+escaped+"="+a[name])
	}
	fields := []string{appliedVersion}
	for _, extension := range slices.Sorted(maps.Keys(byExtension)) {
		if extension != "" {
			fields = append(fields, extension)
		}
		fields = append(fields, byExtension[extension]...)
	}
	if text := strings.Join(fields, " "); len(text) <= MaxApplied {
		return text
	}
	return ""
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
