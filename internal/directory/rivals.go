// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// A listing lays the writes of this replica over what the watch has shown. A user that took a userName here would stand beside the one that gave it up at another
// replica a moment before, which the watch has not shown yet: two users of one name. So rivals, users that seem to have the name of an own write, are not shown as they
// were: their state is older than the own write, for a name is free before it is taken.

// nameOf is the folded userName of a user, "" for all else: groups of several clients may have one displayName.
func nameOf(obj client.Object) string {
	if u, ok := obj.(*v1alpha1.ScimUser); ok {
		return scim.Fold(u.Spec.UserName)
	}
	return ""
}

// wrote shows a write of this replica in its listings. Rivals of a user are read from the API server and shown first, and their rivals in turn, for they may have been
// renamed, too. Where that fails, the listing trails the watch.
func (d *Directory) wrote(ctx context.Context, obj client.Object) {
	recent := d.store.views
	newest := []client.Object{obj}
	known := map[types.UID]bool{obj.GetUID(): true}
	for i := 0; i < len(newest); i++ {
		for _, rival := range d.rivals(ctx, newest[i]) {
			if known[rival.GetUID()] {
				continue
			}
			known[rival.GetUID()] = true
			current := &v1alpha1.ScimUser{}
			err := client.IgnoreNotFound(d.store.api.Get(ctx, client.ObjectKeyFromObject(rival), current))
			switch {
			case err != nil:
			case !sameObject(current, rival) || !alive(current):
				recent.removed(rival)
			default:
				newest = append(newest, current)
			}
		}
	}
	for _, state := range slices.Backward(newest) {
		recent.wrote(state)
	}
}

// rivals are the users that this replica would show by the name of a user.
func (d *Directory) rivals(ctx context.Context, obj client.Object) []client.Object {
	u, ok := obj.(*v1alpha1.ScimUser)
	if !ok {
		return nil
	}
	return append(d.store.views.of(u, u.Namespace).rivals(u), d.cachedRivals(ctx, u)...)
}

// cachedRivals are the users that the watch has shown to have the user's name.
func (d *Directory) cachedRivals(ctx context.Context, u *v1alpha1.ScimUser) []client.Object {
	list := &v1alpha1.ScimUserList{}
	err := d.store.opts.Cache.List(ctx, list, client.InNamespace(u.Namespace), client.MatchingFields{IndexUserName: nameOf(u)}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil
	}
	var rivals []client.Object
	for i := range list.Items {
		if other := &list.Items[i]; !sameObject(other, u) && alive(other) {
			rivals = append(rivals, other)
		}
	}
	return rivals
}

// rivals are the users with the user's name that this replica has written.
func (v *view) rivals(u *v1alpha1.ScimUser) []client.Object {
	name := nameOf(u)
	v.mu.RLock()
	defer v.mu.RUnlock()
	var rivals []client.Object
	for _, key := range v.named[name] {
		if w := v.own[key]; !sameObject(w.obj, u) {
			rivals = append(rivals, w.obj)
		}
	}
	return rivals
}

// outrun is whether an own write of another user has taken the name that obj has, after the state that obj is. What the watch shows next of obj is another name, or its
// end.
func (v *view) outrun(obj client.Object) bool {
	if len(v.named) == 0 {
		return false
	}
	for _, key := range v.named[nameOf(obj)] {
		if outruns(v.own[key].obj, obj) {
			return true
		}
	}
	return false
}

func outruns(own, obj client.Object) bool {
	return !sameObject(own, obj) && newer(own.GetResourceVersion(), obj.GetResourceVersion())
}

// withoutOutrun leaves out what outrun reports.
func (r recentWrites) withoutOutrun(found []client.Object) []client.Object {
	if len(r.own) == 0 {
		return found
	}
	holders := map[string]client.Object{}
	for _, obj := range r.own {
		if name := nameOf(obj); name != "" {
			holders[name] = obj
		}
	}
	if len(holders) == 0 {
		return found
	}
	var rest []client.Object
	for _, obj := range found {
		if own := holders[nameOf(obj)]; own == nil || !outruns(own, obj) {
			rest = append(rest, obj)
		}
	}
	return rest
}
