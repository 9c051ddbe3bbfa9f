// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"errors"
	"maps"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// errContention says that others kept changing the same objects for as long as it was worth trying.
var errContention = errors.New("too many concurrent changes")

// errInDoubt says so, too, of a create whose object others have got hold of: it may have come to life, or may yet.
var errInDoubt = errors.New("too many concurrent changes, and what was begun is in the hands of others")

// errIncomplete says that slices which a group names do not exist, and that it was not just changed.
var errIncomplete = errors.New("a part of the members is missing")

// errStale says that an object has changed since it was read.
var errStale = errors.New("the object has changed")

// A kind is what the arbiter has to know of users or of groups.
type kind interface {
	// empty is a new object to read into.
	empty() client.Object
	// id is spec.id, "" while the object is not admitted.
	id(client.Object) string
	setID(obj client.Object, id string)
	// spec is a pointer to the object's spec.
	spec(client.Object) any
	// slot is the name of the slot of the unique name that the object carries, whether admitted or not; "" where it needs no unique name.
	slot(client.Object) string

	// read gives the slot of that name.
	read(ctx context.Context, name string) (*slot, error)
	// reserve puts the reservation into the slot, by create or compare-and-swap against what read gave.
	reserve(ctx context.Context, s *slot, r v1alpha1.Reservation) error
	// discard removes a slot that is pure, if it is still what read gave.
	discard(ctx context.Context, s *slot) error
	// own is the slot that the object itself is, nil for objects that are none.
	own(client.Object) *slot
	// unreserve removes the reservation from an object that is a slot. It writes nothing.
	unreserve(client.Object)
	// stray finds another object that has the name that obj wants, though the slot of the name did not exist. Nil where there is none.
	stray(ctx context.Context, obj client.Object) (client.Object, error)
}

// A slot is the one object that stands for a name. docs/decisions/0001-unique-names.md says why this is enough.
type slot struct {
	name string
	// object is nil where the slot does not exist.
	object client.Object
	// native is the object if it is live, admitted, and carries the name itself.
	native client.Object
	// reservation of the name for another object.
	reservation *v1alpha1.Reservation
	// pure: the object is nothing but a reservation.
	pure bool
}

// An arbiter decides who has a name in one namespace.
type arbiter struct {
	kind
	api       api
	namespace string
	pace      pace
}

// get is nil where there is no such object.
func (a *arbiter) get(ctx context.Context, name string) (client.Object, error) {
	obj := a.empty()
	err := a.api.Get(ctx, client.ObjectKey{Namespace: a.namespace, Name: name}, obj)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return obj, err
}

// live is whether the object may hold a name.
func (a *arbiter) live(obj client.Object) bool {
	return obj.GetDeletionTimestamp() == nil && a.id(obj) != ""
}

// holds is whether the object is the one for which the slot is reserved, and has taken the name.
func (a *arbiter) holds(obj client.Object, s *slot) bool {
	return a.live(obj) && a.id(obj) == s.reservation.ID && a.slot(obj) == s.name
}

// holder reads who has the name of a slot. Nil is nobody.
func (a *arbiter) holder(ctx context.Context, name string) (client.Object, error) {
	s, err := a.read(ctx, name)
	if err != nil {
		return nil, err
	}
	if s.reservation != nil {
		obj, err := a.get(ctx, s.reservation.User)
		if err != nil {
			return nil, err
		}
		if obj != nil && a.holds(obj, s) {
			return obj, nil
		}
	}
	return s.native, nil
}

// settle finds out who has the name of a slot, for one who wants it. If it is nobody, nobody can come to have it by way of this slot without changing the slot
// first: a write that was under way to take the name is waited for, then made to fail.
func (a *arbiter) settle(ctx context.Context, s *slot) (client.Object, error) {
	if s.reservation == nil {
		return s.native, nil
	}
	for wait := range a.pace.patience() {
		obj, err := a.get(ctx, s.reservation.User)
		switch {
		case err != nil:
			return nil, err
		case obj == nil || obj.GetDeletionTimestamp() != nil:
			return s.native, nil
		case a.holds(obj, s):
			return obj, nil
		case obj.GetResourceVersion() != s.reservation.ResourceVersion:
			return s.native, nil
		case wait != nil:
			err = wait(ctx)
		default:
			if err = a.fence(ctx, obj); err == nil {
				return s.native, nil
			}
		}
		if err != nil && !lost(err) {
			return nil, err
		}
	}
	return nil, errContention
}

// fence makes a write fail that is bound to the object's present resourceVersion. If it is lost itself, that write may have come first.
func (a *arbiter) fence(ctx context.Context, obj client.Object) error {
	annotate(obj, v1alpha1.AnnotationFence, obj.GetResourceVersion())
	return a.api.Update(ctx, obj)
}

// void reports whether nobody has, or is about to take, the name by way of the slot's reservation. It changes nothing.
func (a *arbiter) void(ctx context.Context, s *slot) (bool, error) {
	if s.reservation == nil {
		return true, nil
	}
	obj, err := a.get(ctx, s.reservation.User)
	if err != nil {
		return false, err
	}
	return obj == nil || obj.GetDeletionTimestamp() != nil ||
		!a.holds(obj, s) && obj.GetResourceVersion() != s.reservation.ResourceVersion, nil
}

// take reserves the name that next wants. It has the name once a write succeeds that is bound to the resourceVersion that current and next have. A
// *ConflictError says that another has it; an error for which lost is true, that current is not current. settled is the slot if it was settled already, else nil.
func (a *arbiter) take(ctx context.Context, name string, current, next client.Object, settled *slot) error {
	for wait := range a.pace.attempts() {
		s := settled
		if settled = nil; s == nil {
			var err error
			if s, err = a.read(ctx, name); err != nil {
				return err
			}
			if err := a.clear(ctx, s, current, next); err != nil {
				return err
			}
		}
		err := a.reserve(ctx, s, v1alpha1.Reservation{User: next.GetName(), ID: a.id(next), ResourceVersion: next.GetResourceVersion()})
		if err == nil {
			return a.adopt(ctx, name, next)
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

// clear makes sure that current may put its reservation into the slot.
func (a *arbiter) clear(ctx context.Context, s *slot, current, next client.Object) error {
	if s.reservation == nil || s.reservation.User != current.GetName() {
		return a.free(ctx, s)
	}
	// Another write of the same object may be under way. Both cannot succeed, so it needs no fence; but an older resourceVersion in the slot would make
	// that write look dead while it is not.
	fresh, err := a.get(ctx, current.GetName())
	if err != nil {
		return err
	}
	if fresh == nil || fresh.GetResourceVersion() != current.GetResourceVersion() {
		return errStale
	}
	if s.native != nil {
		// A person wrote the name back into the object that is its slot.
		return &ConflictError{Holder: s.native.GetName()}
	}
	if a.id(current) == "" {
		// Whoever admits the object, it is by the id that the slot names.
		a.setID(next, s.reservation.ID)
	}
	return nil
}

// free returns a *ConflictError if somebody has the slot's name.
func (a *arbiter) free(ctx context.Context, s *slot) error {
	holder, err := a.settle(ctx, s)
	if err != nil {
		return err
	}
	if holder != nil {
		return &ConflictError{Holder: holder.GetName()}
	}
	return nil
}

// adopt looks, after a slot was reserved for obj, for one who carries the name without a slot: restored without its Lease, or made before names were unique. The
// slot becomes that one's. That the slot existed does not tell that somebody has looked: whoever made it may have crashed, or be looking still.
func (a *arbiter) adopt(ctx context.Context, name string, obj client.Object) error {
	stray, err := a.stray(ctx, obj)
	if err != nil || stray == nil {
		return err
	}
	s, err := a.read(ctx, name)
	if err != nil {
		return err
	}
	if s.reservation != nil && s.reservation.User == obj.GetName() {
		r := v1alpha1.Reservation{User: stray.GetName(), ID: a.id(stray), ResourceVersion: stray.GetResourceVersion()}
		if err := a.reserve(ctx, s, r); err != nil && !lost(err) {
			return err
		}
	}
	return &ConflictError{Holder: stray.GetName()}
}

// commit writes next, which was worked out from current as it was read, and takes the name that next carries if current does not have it. Conflict and
// NotFound of the API server say that current has changed; a *ConflictError that the name belongs to another.
//
// settled is the slot of that name if it was settled already, else nil.
func (a *arbiter) commit(ctx context.Context, current, next client.Object, settled *slot) error {
	name := a.slot(next)
	if a.held(current) != name {
		if err := a.acquire(ctx, name, current, next, settled); err != nil {
			return err
		}
	}
	return a.api.Update(ctx, next)
}

// held is the slot of the name that the object has by now, "" for none.
func (a *arbiter) held(obj client.Object) string {
	if a.id(obj) == "" {
		return ""
	}
	return a.slot(obj)
}

// acquire makes sure that the write of next will give it the name. Where current is the slot itself, that write is the compare-and-swap of the slot, too.
func (a *arbiter) acquire(ctx context.Context, name string, current, next client.Object, settled *slot) error {
	switch {
	case name == "":
		return nil
	case name == current.GetName():
		s := *a.own(current)
		s.native = nil // A person may have written the name there.
		if err := a.free(ctx, &s); err != nil {
			return err
		}
		a.unreserve(next)
		return nil
	default:
		return a.take(ctx, name, current, next, settled)
	}
}

// release removes the slot of a name that obj no longer has, if it is there for nothing else. Whoever wants the name next would remove it otherwise.
func (a *arbiter) release(ctx context.Context, name string, obj client.Object) error {
	if name == "" || name == obj.GetName() {
		return nil
	}
	s, err := a.read(ctx, name)
	if err != nil || s.object == nil || !s.pure || s.reservation == nil || s.reservation.User != obj.GetName() {
		return err
	}
	void, err := a.void(ctx, s)
	if err != nil || !void {
		return err
	}
	if err := a.discard(ctx, s); err != nil && !lost(err) {
		return err
	}
	return nil
}

// create stores obj, which carries no id yet, under a metadata.name of its own; then it takes the unique name and gives the object the id. It is for names
// whose slot cannot be the object itself. A *ConflictError leaves nothing behind; what a crash leaves behind, Admit finishes. There is no error after which the
// object may be stored again under another name: others may have found this one.
func (a *arbiter) create(ctx context.Context, obj client.Object, settled *slot, admit func(client.Object)) (client.Object, error) {
	if err := a.api.Create(ctx, obj); err != nil {
		return nil, err
	}
	stored := obj
	for wait := range a.pace.attempts() {
		next := obj.DeepCopyObject().(client.Object)
		admit(next)
		err := a.commit(ctx, obj, next, settled)
		var conflict *ConflictError
		switch {
		case err == nil:
			return next, nil
		case errors.As(err, &conflict):
			return a.undo(ctx, obj, err)
		case errors.Is(err, errContention):
			return a.undo(ctx, obj, errInDoubt)
		case !lost(err):
			return nil, err
		}
		settled = nil
		if err := wait(ctx); err != nil {
			return nil, err
		}
		if obj, err = a.get(ctx, stored.GetName()); err != nil {
			return nil, err
		}
		if obj == nil || a.id(obj) != "" || obj.GetDeletionTimestamp() != nil {
			return a.finished(stored, obj)
		}
	}
	return a.undo(ctx, obj, errInDoubt)
}

// undo removes an object that create has stored and that is not admitted, and gives the reason for it. Where somebody has admitted the object meanwhile, because its
// name had become free, it is what was wanted. Who is told that the name is another's must not find the object later.
func (a *arbiter) undo(ctx context.Context, stored client.Object, reason error) (client.Object, error) {
	obj := stored
	for wait := range a.pace.attempts() {
		err := a.api.Delete(ctx, obj)
		if client.IgnoreNotFound(err) == nil {
			return nil, reason
		}
		if !apierrors.IsConflict(err) {
			return nil, err
		}
		if err := wait(ctx); err != nil {
			return nil, err
		}
		obj, err = a.get(ctx, stored.GetName())
		switch {
		case err != nil:
			return nil, err
		case obj == nil:
			// Somebody who took it for the remains of a crash has removed it, for the same reason.
			return nil, reason
		case a.id(obj) != "":
			return a.finished(stored, obj)
		}
	}
	return nil, errInDoubt
}

// finished gives what somebody has made of the object that create stored, taking it for the remains of a crash, if it is just that. It may have been deleted or changed
// since, by those who found it.
func (a *arbiter) finished(stored, obj client.Object) (client.Object, error) {
	if obj == nil || obj.GetDeletionTimestamp() != nil {
		return nil, errInDoubt
	}
	want := stored.DeepCopyObject().(client.Object)
	a.setID(want, a.id(obj))
	if !equality.Semantic.DeepEqual(a.spec(want), a.spec(obj)) {
		return nil, errInDoubt
	}
	return obj, nil
}

// lost is whether a write failed because its object is not what it was when it was read.
func lost(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) || errors.Is(err, errStale)
}

func annotate(obj client.Object, key, value string) {
	annotations := maps.Clone(obj.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	obj.SetAnnotations(annotations)
}
