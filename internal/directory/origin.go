// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"encoding/json"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// timeFormat is RFC 3339 in UTC with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z"

// Origin is the value of v1alpha1.AnnotationOrigin: where the last change of an object's spec came from.
type Origin struct {
	// Client is the name of the ScimClient.
	Client string `json:"client"`
	// Request is the id of the request.
	Request string `json:"request,omitempty"`
	// Time of the change, RFC 3339 in UTC with milliseconds.
	Time string `json:"time"`
}

// OriginOf reads the origin of an object. ok is false for objects that SCIM did not write.
func OriginOf(obj client.Object) (o Origin, ok bool) {
	ok = json.Unmarshal([]byte(obj.GetAnnotations()[v1alpha1.AnnotationOrigin]), &o) == nil
	return o, ok
}

// Modified is when the spec of an object was last changed by SCIM, else when it was created.
func Modified(obj client.Object) time.Time {
	if o, ok := OriginOf(obj); ok {
		if t, err := time.Parse(time.RFC3339, o.Time); err == nil {
			return t.UTC()
		}
	}
	return obj.GetCreationTimestamp().UTC()
}

// stamp is for objects that change otherwise, too: an origin alone is no reason to write.
func (d *Directory) stamp(obj client.Object) error {
	value, err := json.Marshal(Origin{
		Client:  d.scope.Client,
		Request: d.scope.RequestID,
		Time:    d.store.opts.Clock.Now().UTC().Format(timeFormat),
	})
	if err != nil {
		return err
	}
	annotate(obj, v1alpha1.AnnotationOrigin, string(value))
	return nil
}
