// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// suspendApps gives the transform of a cache in which every ScimApp is suspended. Whatever reads an app, and every app that is created later, sees it so. The annotation is
// never stored: ScimApps are only patched by the difference to what the cache has.
func suspendApps(next toolscache.TransformFunc) toolscache.TransformFunc {
	return func(obj any) (any, error) {
		if app, ok := obj.(*v1alpha1.ScimApp); ok {
			if app.Annotations == nil {
				app.Annotations = map[string]string{}
			}
			app.Annotations[v1alpha1.AnnotationSuspendedByFlag] = ""
		}
		return next(obj)
	}
}
