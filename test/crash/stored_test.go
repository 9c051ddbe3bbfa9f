// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// stored reads what the API server has now of the object that a call is about. It asks once a call.
func stored[T client.Object](c *apiCall, empty T) T {
	if have, ok := c.before.(T); ok {
		return have
	}
	c.before = empty
	// A call that is cut off must not cut this off.
	if err := c.directory.Admin.Get(context.Background(), c.directory.Key(c.name), empty); err != nil {
		// An object that is gone is as good as an empty one.
		return empty
	}
	return empty
}
