// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Kind of a batch. The digest ends with it.
type Kind string

const (
	// Revocations of any cause but the provider's.
	Revocations Kind = ""
	// Leavers: a held user whom the provider then makes inactive leaves a batch of another cause, and not this one.
	Leavers Kind = "-leavers"
	// Attributes that become empty. Nobody loses access.
	Attributes Kind = "-attributes"
)

// OverflowBatch stands for the digest of changes that are held although no further batch can be shown. It cannot be approved: its changes become a batch of their own when
// another one is settled.
const OverflowBatch = "overflow"

// OfLeavers reports whether a batch holds users whom the provider made inactive or deleted.
func OfLeavers(batch string) bool { return strings.HasSuffix(batch, string(Leavers)) }

// OfAttributes reports whether a batch holds attributes that become empty.
func OfAttributes(batch string) bool { return strings.HasSuffix(batch, string(Attributes)) }

// Change is one change in a held batch.
type Change struct {
	// Subject is the SCIM id of the user or group.
	Subject string
	// Effect is what is revoked, such as Deactivate.
	Effect string
	// Members are those that a group loses, or the attributes that become empty.
	Members []string
}

// Digest names a batch: 16 hexadecimal digits that depend on the app, the time at which the batch was closed and the set of changes, in whatever order they
// come; a batch of leavers or of attributes says so. A person approves a batch by its digest, and so nothing that comes later: not even the same changes another time.
func Digest(app string, closed time.Time, kind Kind, changes []Change) string {
	set := make([]string, 0, len(changes))
	for _, c := range changes {
		members := slices.Sorted(slices.Values(c.Members))
		set = append(set, strings.Join(append([]string{c.Subject, c.Effect}, members...), "\x00"))
	}
	slices.Sort(set)
	set = slices.Compact(set)
	// JSON keeps the parts apart. It cannot fail for strings.
	canonical, _ := json.Marshal(append([]string{app, closed.UTC().Format(time.RFC3339Nano)}, set...))
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:8]) + string(kind)
}
