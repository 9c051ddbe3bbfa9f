// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package resource

import "github.com/scim-operator/scim-operator/api/v1alpha1"

// Variables are a user as expressions see it, under the name user: its SCIM attributes as UserJSON gives them for the client that owns it, and besides these id,
// the id that the endpoint gave it (an app may keep it as externalId: it tells our accounts from others), and active, which is true where it is absent.
func Variables(u *v1alpha1.ScimUser) map[string]any {
	variables := UserJSON(u, u.Spec.Client)
	variables["id"] = u.SCIMID()
	variables["active"] = u.IsActive()
	return variables
}
