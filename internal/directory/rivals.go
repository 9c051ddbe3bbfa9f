// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"

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

// wrote shows a write of this replica in its listings. Of a user and a rival, the one whose state is the older has changed since: it is read from the API server and
// shown first, and its rivals in turn, for they may have been renamed, too. Where that fails, the listing trails the watch.
func (d *Directory) wrote(ctx context.Context, obj client.Object) {
	v := d.store.views.of(obj, obj.GetNamespace())
	states := map[types.UID]client.Object{obj.GetUID(): obj}
	asked := map[types.UID]bool{}
	for {
		outdated := v.wroteAll(states, asked)
		if len(outdated) == 0 {
			return
		}
		for _, old := range outdated {
			asked[old.GetUID()] = true
			current, err := d.ask(ctx, old)
			switch {
			case err != nil:
			case current == nil:
				delete(states, old.GetUID())
				v.removed(old)
			default:
				states[current.GetUID()] = current
			}
		}
	}
}

// catchUp shows what has become of the users whose names others have taken, before the watch does. Those that the API server says nothing about are shown as they were.
func (d *Directory) catchUp(ctx context.Context, v *view) {
	for _, old := range v.overtaken() {
		current, err := d.ask(ctx, old)
		switch {
		case err != nil:
		case current == nil:
			v.removed(old)
		default:
			d.wrote(ctx, current)
		}
	}
}

// overtaken are some of the passed users, in no order.
func (v *view) overtaken() []client.Object {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var some []client.Object
	for _, obj := range v.passed {
		if len(some) < maxChecks {
			some = append(some, obj)
		}
	}
	return some
}

// ask reads the state of a user, nil where it is gone.
func (d *Directory) ask(ctx context.Context, old client.Object) (client.Object, error) {
	current := &v1alpha1.ScimUser{}
	if err := client.IgnoreNotFound(d.store.api.Get(ctx, client.ObjectKeyFromObject(old), current)); err != nil {
		return nil, err
	}
	if !sameObject(current, old) || !alive(current) {
		return nil, nil
	}
	return current, nil
}

// wroteAll takes writes of this replica together, by UID. Where one of the users is a rival of another one in the listing, it takes none and gives those that must
// have changed since they were read; those that were asked about already are believed.
func (v *view) wroteAll(states map[types.UID]client.Object, asked map[types.UID]bool) (outdated []client.Object) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, obj := range states {
		rival := v.rival(obj)
		if rival == nil {
			continue
		}
		if next := states[rival.GetUID()]; next != nil {
			rival = next
		}
		if nameOf(rival) != nameOf(obj) {
			continue
		}
		old := rival
		if outruns(rival, obj) {
			old = obj
		}
		if !asked[old.GetUID()] {
			outdated = append(outdated, old)
		}
	}
	if len(outdated) == 0 {
		for _, obj := range states {
			v.record(obj)
		}
	}
	return outdated
}

// rival is the user that is shown by the name of another one, nil for none.
func (v *view) rival(obj client.Object) client.Object {
	if holder := v.names[nameOf(obj)]; holder != nil && !sameObject(holder, obj) {
		return holder
	}
	return nil
}

// outrun is whether another user that is shown has taken the name that obj has, after the state that obj is. What the watch shows next of obj is another name, or its
// end.
func (v *view) outrun(obj client.Object) bool {
	rival := v.rival(obj)
	return rival != nil && outruns(rival, obj)
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
