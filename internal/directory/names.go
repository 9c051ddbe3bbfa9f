// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io"
	"strings"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// userSlot is the metadata.name of the ScimUser that stands for a userName: 128 bits of its hash. There is no salt, so that ids and names survive a restore
// into another namespace.
func userSlot(userName string) string {
	return "u-" + hash(16, scim.Fold(userName))
}

// NameHolder is the metadata.name of the object that stands for a user's userName, mostly the user itself, "" where it has none.
func NameHolder(u *v1alpha1.ScimUser) string { return userKind{}.slot(u) }

// GroupNameHolder is the metadata.name of the Lease that stands for a group's displayName, where names are not shared.
func GroupNameHolder(g *v1alpha1.ScimGroup) string {
	return groupSlot(g.Spec.Client, g.Spec.DisplayName)
}

// groupSlot is the metadata.name of the Lease that stands for a displayName among the groups of a client.
func groupSlot(owner, displayName string) string {
	return "scim-group-" + hash(16, owner, scim.Fold(displayName))
}

// DisplayNameLabel is the value of v1alpha1.LabelDisplayName for a displayName.
func DisplayNameLabel(displayName string) string {
	return hash(10, scim.Fold(displayName))
}

func hash(size int, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return base32Lower.EncodeToString(sum[:size])
}

// randomID has 64 bits.
func randomID(random io.Reader) (string, error) { return randomText(random, 8) }

// randomName has 128 bits.
func randomName(random io.Reader, prefix string) (string, error) {
	s, err := randomText(random, 16)
	return prefix + s, err
}

func randomText(random io.Reader, size int) (string, error) {
	b := make([]byte, size)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	return base32Lower.EncodeToString(b), nil
}
