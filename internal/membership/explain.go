// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package membership

import (
	"errors"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// Explain says for a condition that members are missing, false for other errors.
func Explain(err error) (kube.Explanation, bool) {
	return kube.Explanation{
		Reason: v1alpha1.ReasonMembersMissing,
		Message: "a ScimGroupSlice that a ScimGroup of the namespace names does not exist, so the members of that group are unknown, and nothing changes until it exists; " +
			"Ready of the ScimGroup says which one",
	}, errors.Is(err, ErrIncomplete)
}
