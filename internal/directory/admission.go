// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// ConflictError says that the name of an object belongs to another one.
type ConflictError struct {
	// Holder is the metadata.name of the object that has it.
	Holder string
	// Removed: the newcomer was deleted, because it was only what a crashed create had left behind.
	Removed bool
}

// Error implements error.
func (e *ConflictError) Error() string { return "the name belongs to " + e.Holder }

// admitUser makes an object a user: only with an id is it seen by SCIM and by the controllers.
func admitUser(u *v1alpha1.ScimUser, id string) {
	if u.Spec.ID == "" {
		u.Spec.ID = id
	}
	controllerutil.AddFinalizer(u, v1alpha1.FinalizerDeprovision)
}

// admitGroup does for groups what admitUser does for users.
func admitGroup(g *v1alpha1.ScimGroup, id string) {
	if g.Spec.ID == "" {
		g.Spec.ID = id
	}
	controllerutil.AddFinalizer(g, v1alpha1.FinalizerDeprovision)
	labelGroup(g)
}

// labelGroup keeps the label in step with the displayName.
func labelGroup(g *v1alpha1.ScimGroup) {
	labels := map[string]string{}
	for k, v := range g.Labels {
		labels[k] = v
	}
	labels[v1alpha1.LabelDisplayName] = DisplayNameLabel(g.Spec.DisplayName)
	g.Labels = labels
}

// Admit makes a ScimUser take effect: takes its userName, then sets spec.id and the finalizer in one write. It is for users that a person made or renamed, and
// for what a crashed create left behind. The user is changed to what is stored then. A user that has all that costs reads only; one that is being deleted and one
// that only reserves a name are left alone.
//
// A *ConflictError says that the userName belongs to another user. What a crashed create had left behind is deleted then.
func (s *Store) Admit(ctx context.Context, u *v1alpha1.ScimUser) error {
	if isReservation(u) {
		return nil
	}
	obj, err := s.admit(ctx, s.users(u.Namespace), u, func(o client.Object, id string) { admitUser(o.(*v1alpha1.ScimUser), id) })
	if obj != nil {
		*u = *obj.(*v1alpha1.ScimUser)
	}
	return err
}

// AdmitGroup does for a ScimGroup what Admit does for a user.
func (s *Store) AdmitGroup(ctx context.Context, g *v1alpha1.ScimGroup) error {
	shares, err := s.sharesNames(ctx, g.Namespace, g.Spec.Client)
	if err != nil {
		return err
	}
	a := s.groups(g.Namespace, func(client string) bool { return shares && client == g.Spec.Client })
	obj, err := s.admit(ctx, a, g, func(o client.Object, id string) { admitGroup(o.(*v1alpha1.ScimGroup), id) })
	if obj != nil {
		*g = *obj.(*v1alpha1.ScimGroup)
	}
	return err
}

// sharesNames reads whether the groups of a client may have the same displayName. Those of a client that is gone, or of a person, may not.
func (s *Store) sharesNames(ctx context.Context, namespace, name string) (bool, error) {
	if name == "" {
		return false, nil
	}
	c := &v1alpha1.ScimClient{}
	err := s.opts.Cache.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, c)
	return c.Spec.GroupNames == v1alpha1.GroupNamesShared, client.IgnoreNotFound(err)
}

// admit gives the object as it is stored in the end, nil where it is gone or could not be read.
func (s *Store) admit(ctx context.Context, a *arbiter, obj client.Object, set func(client.Object, string)) (client.Object, error) {
	id, err := randomID(s.opts.Random)
	if err != nil {
		return nil, err
	}
	for wait := range a.pace.attempts() {
		if obj.GetDeletionTimestamp() != nil {
			return obj, nil
		}
		next := obj.DeepCopyObject().(client.Object)
		set(next, id)
		err := a.claim(ctx, obj, next)
		if err == nil {
			return next, nil
		}
		if !lost(err) {
			return nil, s.discardRemains(ctx, a, obj, err)
		}
		if err := wait(ctx); err != nil {
			return nil, err
		}
		if obj, err = a.get(ctx, next.GetName()); err != nil || obj == nil {
			return nil, err
		}
	}
	return nil, errContention
}

// claim is commit for an object that may carry a name which it does not have, because a person wrote it there. It writes nothing where nothing is missing.
func (a *arbiter) claim(ctx context.Context, current, next client.Object) error {
	name := a.slot(next)
	entitled := name == ""
	if name != "" && a.id(current) != "" {
		holder, err := a.holder(ctx, name)
		if err != nil {
			return err
		}
		entitled = holder != nil && holder.GetUID() == current.GetUID() && !a.lends(current, name)
	}
	if !entitled {
		if err := a.acquire(ctx, name, current, next, nil); err != nil {
			return err
		}
	}
	if equality.Semantic.DeepEqual(current, next) {
		return nil
	}
	return a.api.Update(ctx, next)
}

// lends is whether the object is the slot of the name, and reserves it for another.
func (a *arbiter) lends(obj client.Object, name string) bool {
	return obj.GetName() == name && a.own(obj) != nil && a.own(obj).reservation != nil
}

// discardRemains deletes what a crashed create left behind if its name belongs to another meanwhile. A person's object is left for the person.
func (s *Store) discardRemains(ctx context.Context, a *arbiter, obj client.Object, cause error) error {
	var conflict *ConflictError
	if _, bySCIM := OriginOf(obj); !bySCIM || a.id(obj) != "" || !errors.As(cause, &conflict) {
		return cause
	}
	if err := a.api.Delete(ctx, obj); err != nil && !apierrors.IsNotFound(err) {
		return errors.Join(cause, err)
	}
	return &ConflictError{Holder: conflict.Holder, Removed: true}
}

// Entitled reports, from the cache, whether an admitted user has its userName by right. Where it says no, because a person changed the userName, or because the
// cache is behind, Admit finds out and sets it right.
func (s *Store) Entitled(ctx context.Context, u *v1alpha1.ScimUser) (bool, error) {
	return Entitled(ctx, s.opts.Cache, u)
}

// Entitled is Store.Entitled for who has only a cache.
func Entitled(ctx context.Context, cache client.Reader, u *v1alpha1.ScimUser) (bool, error) {
	name := userSlot(u.Spec.UserName)
	if name == u.Name {
		return u.Spec.Reservation == nil, nil
	}
	slot := &v1alpha1.ScimUser{}
	if err := cache.Get(ctx, client.ObjectKey{Namespace: u.Namespace, Name: name}, slot); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	r := slot.Spec.Reservation
	return r != nil && r.User == u.Name && r.ID == u.Spec.ID, nil
}

// EntitledGroup reports whether an admitted group's displayName was written by SCIM or has passed AdmitGroup.
func EntitledGroup(g *v1alpha1.ScimGroup) bool {
	return g.Labels[v1alpha1.LabelDisplayName] == DisplayNameLabel(g.Spec.DisplayName)
}

// MayVanish reports whether the last of the operator's finalizers may be removed from the user: no other user has its userName by way of this object. The
// finalizers have to be removed with the resourceVersion that the argument has, all in one write. If it says no, ask again later.
func (s *Store) MayVanish(ctx context.Context, u *v1alpha1.ScimUser) (bool, error) {
	a := s.users(u.Namespace)
	own := *a.own(u)
	own.native = nil
	holder, err := a.settle(ctx, &own)
	return err == nil && holder == nil, err
}

// ReleaseReservation removes the object that reserves the userName of a user that goes away. Call it before the user's finalizers are removed.
func (s *Store) ReleaseReservation(ctx context.Context, u *v1alpha1.ScimUser) error {
	a := s.users(u.Namespace)
	return a.release(ctx, a.slot(u), u)
}

// ReleaseGroupName removes what reserves the displayName of a group that goes away. Call it before the finalizer is removed.
func (s *Store) ReleaseGroupName(ctx context.Context, g *v1alpha1.ScimGroup) error {
	a := s.groups(g.Namespace, func(string) bool { return false })
	return a.release(ctx, a.slot(g), g)
}

// SweepReservation removes a ScimUser that only reserves a userName, if nobody has that userName by way of it any more. gone is true if it was removed.
func (s *Store) SweepReservation(ctx context.Context, u *v1alpha1.ScimUser) (gone bool, err error) {
	if !isReservation(u) {
		return false, nil
	}
	a := s.users(u.Namespace)
	slot := a.own(u)
	holder, err := a.settle(ctx, slot)
	if err != nil || holder != nil {
		return false, err
	}
	if err := a.discard(ctx, slot); err != nil {
		if lost(err) {
			return false, nil
		}
		return false, err
	}
	return true, nil
}
