// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/internal/guard"
)

func TestDigest(t *testing.T) {
	changes := []guard.Change{
		{Subject: "ada.x1", Effect: "Deactivate"}, {Subject: "bob.x2", Effect: "Deactivate"}, {Subject: "staff", Effect: "RemoveMembers", Members: []string{"1", "2"}},
	}
	base := guard.Digest("crm", closed, guard.Revocations, changes)
	if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(base) || guard.OfLeavers(base) {
		t.Errorf("digest %q", base)
	}
	ofLeavers := guard.Digest("crm", closed, guard.Leavers, changes)
	if !guard.OfLeavers(ofLeavers) || len(ofLeavers) > 64 {
		t.Errorf("digest of leavers %q", ofLeavers)
	}
	reversed := []guard.Change{{Subject: "staff", Effect: "RemoveMembers", Members: []string{"2", "1"}}, changes[1], changes[0], changes[1]}
	if guard.Digest("crm", closed.In(time.FixedZone("", 3600)), guard.Revocations, reversed) != base {
		t.Error("the digest depends on the order or on the time zone")
	}
	if reversed[0].Members[0] != "2" {
		t.Error("the members are changed")
	}
	last := func(c guard.Change) []guard.Change { return append(changes[:2:2], c) }
	seen := map[string]string{base: "base"}
	for name, other := range map[string]string{
		"leavers":            ofLeavers,
		"another time":       guard.Digest("crm", closed.Add(time.Nanosecond), guard.Revocations, changes),
		"another app":        guard.Digest("wiki", closed, guard.Revocations, changes),
		"fewer":              guard.Digest("crm", closed, guard.Revocations, changes[:2]),
		"another effect":     guard.Digest("crm", closed, guard.Revocations, last(guard.Change{Subject: "staff", Effect: "Delete", Members: []string{"1", "2"}})),
		"another subject":    guard.Digest("crm", closed, guard.Revocations, last(guard.Change{Subject: "sales", Effect: "RemoveMembers", Members: []string{"1", "2"}})),
		"another member":     guard.Digest("crm", closed, guard.Revocations, last(guard.Change{Subject: "staff", Effect: "RemoveMembers", Members: []string{"1", "3"}})),
		"fewer members":      guard.Digest("crm", closed, guard.Revocations, last(guard.Change{Subject: "staff", Effect: "RemoveMembers", Members: []string{"1"}})),
		"members run over":   guard.Digest("crm", closed, guard.Revocations, last(guard.Change{Subject: "staff", Effect: "RemoveMembers", Members: []string{"12"}})),
		"none":               guard.Digest("crm", closed, guard.Revocations, nil),
		"none of another":    guard.Digest("wiki", closed, guard.Revocations, nil),
		"user runs into app": guard.Digest("crmada.x1", closed, guard.Revocations, changes[1:]),
	} {
		if before, twice := seen[other]; twice {
			t.Errorf("%s has the digest of %s", name, before)
		}
		seen[other] = name
	}
}

func ExampleDigest() {
	fmt.Println(guard.Digest("crm", closed, guard.Leavers, []guard.Change{{Subject: "ada.x1", Effect: "Deactivate"}}))
	// Output: 654bcda149939305-leavers
}
