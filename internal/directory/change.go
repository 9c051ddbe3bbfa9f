// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"errors"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// find reads the object with a SCIM id from the API server. 404 where there is none.
func (d *Directory) find(ctx context.Context, t resourceType, id string) (client.Object, error) {
	name, random, ok := v1alpha1.SplitSCIMID(id)
	if !ok || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return nil, notFound(t.scim())
	}
	a := t.arbiter()
	obj, err := a.get(ctx, name)
	if err != nil {
		return nil, err
	}
	if obj == nil || !a.live(obj) || a.id(obj) != random {
		return nil, notFound(t.scim())
	}
	return obj, nil
}

// change does a PUT or PATCH: reads the object, has the next state worked out, and writes it if it is another one. Where somebody else was quicker it does so
// again with what that one wrote.
func (d *Directory) change(ctx context.Context, t resourceType, id string, next func(client.Object) (draft, error)) (client.Object, error) {
	a := t.arbiter()
	var written []*v1alpha1.ScimGroupSlice
	for wait := range a.pace.attempts() {
		current, err := d.find(ctx, t, id)
		if err != nil {
			return nil, err
		}
		if err := d.precondition(t, current); err != nil {
			return nil, err
		}
		if len(written) > 0 {
			d.store.dropSlices(ctx, current.(*v1alpha1.ScimGroup), written)
		}
		draft, err := next(current)
		if err == nil && draft.obj == nil {
			return current, nil
		}
		if err == nil {
			err = d.mayWrite(t, current)
		}
		if err == nil {
			written = draft.slices
			err = d.write(ctx, t, current, draft)
		}
		if err == nil {
			return draft.obj, nil
		}
		if !lost(err) {
			return nil, err
		}
		if err := wait(ctx); err != nil {
			return nil, err
		}
	}
	return nil, errContention
}

// write stores a change. The slices come first: should this process die before the object is written, the membership is as it was before.
func (d *Directory) write(ctx context.Context, t resourceType, current client.Object, next draft) error {
	if err := d.sign(t, next.obj); err != nil {
		return err
	}
	if err := d.store.writeSlices(ctx, next.slices); err != nil {
		return err
	}
	a := t.arbiter()
	before := a.held(current)
	if err := a.commit(ctx, current, next.obj, nil); err != nil {
		return err
	}
	d.wrote(ctx, next.obj)
	if before != a.held(next.obj) {
		// If this fails, the next one who wants the name does it.
		_ = a.release(ctx, before, next.obj)
	}
	return nil
}

// sign makes the writing client the owner, and leaves the mark of origin. What is too large is refused.
func (d *Directory) sign(t resourceType, obj client.Object) error {
	owner, _ := t.owner(obj)
	*owner = d.scope.Client
	if err := d.stamp(obj); err != nil {
		return err
	}
	return checkSize(obj)
}

// remove does a DELETE.
func (d *Directory) remove(ctx context.Context, t resourceType, id string) error {
	a := t.arbiter()
	for wait := range a.pace.attempts() {
		obj, err := d.find(ctx, t, id)
		if err != nil {
			return err
		}
		if err := d.precondition(t, obj); err != nil {
			return err
		}
		if err := d.mayWrite(t, obj); err != nil {
			return err
		}
		err = a.api.Delete(ctx, obj)
		if err == nil {
			d.store.views.removed(obj)
			return nil
		}
		if !lost(err) {
			return err
		}
		if err := wait(ctx); err != nil {
			return err
		}
	}
	return errContention
}

// precondition compares the ETag only where the request asks for it.
func (d *Directory) precondition(t resourceType, obj client.Object) error {
	if d.scope.IfMatch == nil || d.scope.IfMatch(t.version(obj)) {
		return nil
	}
	return scim.NewError(http.StatusPreconditionFailed, "the ETag of the %s is not as If-Match or If-None-Match asks: somebody has changed it; read it again", t.word())
}

// mayWrite: a resource belongs to the client that made it.
func (d *Directory) mayWrite(t resourceType, obj client.Object) error {
	owner, managedBy := t.owner(obj)
	switch {
	case managedBy == v1alpha1.ManagedByGit:
		return scim.NewError(http.StatusForbidden, "this %s is managed in Git (spec.managedBy: Git): SCIM may read it, but not change it", t.word())
	case *owner == d.scope.Client || d.scope.TakeOver == v1alpha1.TakeOverAllowed:
		return nil
	case *owner == "":
		return scim.NewError(http.StatusForbidden,
			"this %s was made with kubectl or from Git; this client may change it only if its ScimClient says takeOver: Allowed", t.word())
	default:
		return scim.NewError(http.StatusForbidden,
			"this %s belongs to the ScimClient %s; this client may change it only if its own ScimClient says takeOver: Allowed", t.word(), *owner)
	}
}

// createUser stores a user that has everything but metadata.name, id and finalizer. A *ConflictError says that its userName is taken.
func (s *Store) createUser(ctx context.Context, u *v1alpha1.ScimUser) (*v1alpha1.ScimUser, error) {
	id, err := randomID(s.opts.Random)
	if err != nil {
		return nil, err
	}
	a := s.users(u.Namespace)
	name := a.slot(u)
	for wait := range a.pace.attempts() {
		native := u.DeepCopy()
		native.Name = name
		admitUser(native, id)
		err := a.api.Create(ctx, native)
		if err == nil {
			return native, nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return nil, err
		}
		obj, err := s.createOnSlot(ctx, a, u, name, id)
		if err == nil {
			return obj, nil
		}
		if !lost(err) && !errors.Is(err, errContention) {
			return nil, err
		}
		if err := wait(ctx); err != nil {
			return nil, err
		}
	}
	return nil, errContention
}

// createOnSlot goes on where the slot of the userName exists already. An error for which lost is true says that it has changed meanwhile.
func (s *Store) createOnSlot(ctx context.Context, a *arbiter, u *v1alpha1.ScimUser, name, id string) (*v1alpha1.ScimUser, error) {
	slot, err := a.read(ctx, name)
	if err != nil {
		return nil, err
	}
	if slot.object == nil {
		return nil, errContention
	}
	holder, err := a.settle(ctx, slot)
	if err != nil {
		return nil, err
	}
	if holder != nil {
		return nil, &ConflictError{Holder: holder.GetName()}
	}
	if slot.pure {
		if err := a.discard(ctx, slot); err != nil {
			return nil, err
		}
		return nil, errContention
	}
	beside := u.DeepCopy()
	if beside.Name, err = randomName(s.opts.Random, "u-"); err != nil {
		return nil, err
	}
	obj, err := a.create(ctx, beside, slot, func(o client.Object) { admitUser(o.(*v1alpha1.ScimUser), id) })
	if err != nil {
		return nil, err
	}
	return obj.(*v1alpha1.ScimUser), nil
}

// createGroup stores a group that has everything but metadata.name, id, finalizer, label and members. A *ConflictError says that its displayName is taken.
func (s *Store) createGroup(ctx context.Context, a *arbiter, g *v1alpha1.ScimGroup, members []scim.MemberOp) (*v1alpha1.ScimGroup, error) {
	id, err := randomID(s.opts.Random)
	if err != nil {
		return nil, err
	}
	if g.Name, err = randomName(s.opts.Random, "g-"); err != nil {
		return nil, err
	}
	name := a.slot(g)
	if name == "" {
		if err := s.populate(ctx, g, members); err != nil {
			return nil, err
		}
		admitGroup(g, id)
		if err := a.api.Create(ctx, g); err != nil {
			return nil, err
		}
		return g, nil
	}
	slot, err := a.read(ctx, name)
	if err != nil {
		return nil, err
	}
	holder, err := a.settle(ctx, slot)
	if err != nil {
		return nil, err
	}
	if holder != nil {
		return nil, &ConflictError{Holder: holder.GetName()}
	}
	if err := s.populate(ctx, g, members); err != nil {
		return nil, err
	}
	obj, err := a.create(ctx, g, slot, func(o client.Object) { admitGroup(o.(*v1alpha1.ScimGroup), id) })
	if err != nil {
		return nil, err
	}
	return obj.(*v1alpha1.ScimGroup), nil
}

// populate gives members to a group that is not stored yet. Should it never be, the sweeper removes their slices.
func (s *Store) populate(ctx context.Context, g *v1alpha1.ScimGroup, members []scim.MemberOp) error {
	slices, _, err := s.changeMembers(ctx, g, members)
	if err != nil {
		return err
	}
	return s.writeSlices(ctx, slices)
}
