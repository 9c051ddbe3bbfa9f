// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"encoding/json"
	"fmt"
	"net/http"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/bounded"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// Limits of what the endpoint stores, in bytes of JSON. etcd refuses an object of more than 1.5 MiB, and the status needs its part: if it could not be written any more, a
// user could not even be deactivated. Attributes that are added one by one are bounded by them, too.
const (
	// MaxUserSpec is for the spec of a ScimUser.
	MaxUserSpec = 256 << 10
	// MaxGroupSpec is for the spec of a ScimGroup without its members.
	MaxGroupSpec = 128 << 10
	// maxInlineMembers is for the members that stand in the ScimGroup itself.
	maxInlineMembers = 256 << 10
)

// checkSize refuses a user or group that is too large to be stored with its status.
func checkSize(obj client.Object) error {
	var spec any
	limit, word := MaxUserSpec, word(scim.UserType)
	switch o := obj.(type) {
	case *v1alpha1.ScimUser:
		spec = &o.Spec
	case *v1alpha1.ScimGroup:
		attributes := o.Spec
		attributes.Members, attributes.Slices = nil, nil
		spec, limit, word = &attributes, MaxGroupSpec, "group without its members"
	}
	data, err := json.Marshal(spec)
	if err != nil {
		return fmt.Errorf("encoding the spec: %w", err)
	}
	if len(data) > limit {
		return scim.NewError(http.StatusRequestEntityTooLarge, "the %s takes %d bytes as it is stored, and at most %d are supported: send fewer or shorter values", word, len(data), limit)
	}
	return nil
}

// fitsInline is whether members may stand in the group itself.
func fitsInline(members []v1alpha1.GroupMember) bool {
	size := 0
	for i := range members {
		size += bounded.Size(members[i].Value) + len(`{"value":"","type":"Group"},`)
	}
	return size <= maxInlineMembers
}
