// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// A world is a directory on the model of etcd: of users, or of groups of one client.
type world struct {
	etcd   *etcd
	groups bool
	// ids are the SCIM ids of what the script of the scenario created, in order.
	ids []string
	// before are operations of the script that crashed.
	before []*operation
	// forgetful makes a rename overlook that the slot names its own object.
	forgetful bool
	// careless makes the controller remove finalizers without asking.
	careless bool
	// restored is whether groups came back without the Leases of their names.
	restored bool
}

// An operation of a scenario, with its meaning for a directory without concurrency.
type operation struct {
	name string
	run  func(w *world, s *Store) outcome
	// effect is applied to a directory as it should be, and gives what should come out. Nil for operations of the controller, which mean nothing.
	effect func(w *world, d *ideal, result outcome) outcome
	actor  *actor
}

// outcome of an operation: "ok", "taken", "missing", "busy", or for a look-up whom it found.
type outcome struct {
	result string
	id     string
}

func (o outcome) String() string {
	if o.id == "" {
		return o.result
	}
	return o.result + " " + o.id
}

var modelTries = 2

// store is a replica of its own, with random numbers of its own.
func (w *world) store(name string, turn func(access)) *Store {
	return &Store{
		opts:  Options{Clock: instant{}, Cache: empty{}, Random: &stream{seed: name}},
		api:   gated{etcd: w.etcd, turn: turn},
		pace:  pace{clock: instant{}, tries: modelTries, polls: 0},
		views: newViews(instant{}),
	}
}

// empty is a cache of nothing.
type empty struct{ Cache }

func (empty) List(context.Context, client.ObjectList, ...client.ListOption) error { return nil }

func (empty) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return apierrors.NewNotFound(schema.GroupResource{}, "")
}

// stream is a repeatable source of random bytes.
type stream struct {
	seed string
	n    uint64
}

func (s *stream) Read(p []byte) (int, error) {
	s.n++
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(s.seed), s.n))
	return copy(p, sum[:]), nil
}

var _ io.Reader = (*stream)(nil)

func (w *world) directory(s *Store) (*Directory, resourceType) {
	d := s.For(Scope{Namespace: modelNamespace, Client: "okta"})
	if w.groups {
		return d, d.of(scim.GroupType)
	}
	return d, d.of(scim.UserType)
}

func (w *world) arbiter(s *Store) *arbiter {
	_, t := w.directory(s)
	return t.arbiter()
}

func outcomeOf(err error) outcome {
	var conflict *ConflictError
	var own *scim.Error
	switch {
	case err == nil:
		return outcome{result: "ok"}
	case errors.As(err, &conflict):
		return outcome{result: "taken"}
	case errors.As(err, &own) && own.Status == 404:
		return outcome{result: "missing"}
	case errors.Is(err, errContention), errors.Is(err, errInDoubt):
		return outcome{result: "busy"}
	case errors.Is(err, errRenamed):
		return outcome{result: "renamed"}
	default:
		panic(err)
	}
}

// errRenamed says that a create answers with another name than it was asked for.
var errRenamed = errors.New("the name is another")

// ideal is a directory without concurrency: who has which name, by SCIM id. Of operations that did not get to answer, the id is "?<operation>".
type ideal map[string]string

func (d ideal) nameOf(id string) (string, bool) {
	for name, holder := range d {
		if holder == id {
			return name, true
		}
	}
	return "", false
}

func post(name string) *operation {
	op := &operation{name: "post " + name}
	op.run = func(w *world, s *Store) outcome {
		d, _ := w.directory(s)
		obj, err := w.create(d, name)
		o := outcomeOf(err)
		if err == nil {
			o.id = obj
		}
		return o
	}
	op.effect = func(_ *world, d *ideal, result outcome) outcome {
		if (*d)[name] != "" {
			return outcome{result: "taken"}
		}
		id := result.id
		if id == "" {
			id = "?" + op.name
		}
		(*d)[name] = id
		return outcome{result: "ok", id: id}
	}
	return op
}

func (w *world) create(d *Directory, name string) (id string, err error) {
	if w.groups {
		g := &v1alpha1.ScimGroup{}
		g.Namespace, g.Spec.Client, g.Spec.DisplayName = modelNamespace, "okta", name
		labelGroup(g)
		if err := d.stamp(g); err != nil {
			return "", err
		}
		created, err := d.store.createGroup(context.Background(), d.of(scim.GroupType).arbiter(), g, nil)
		if err == nil && created.Spec.DisplayName != name {
			err = errRenamed
		}
		if err != nil {
			return "", err
		}
		return created.SCIMID(), nil
	}
	u := &v1alpha1.ScimUser{}
	u.Namespace, u.Spec.Client, u.Spec.UserName = modelNamespace, "okta", name
	if err := d.stamp(u); err != nil {
		return "", err
	}
	created, err := d.store.createUser(context.Background(), u)
	if err == nil && created.Spec.UserName != name {
		err = errRenamed
	}
	if err != nil {
		return "", err
	}
	return created.SCIMID(), nil
}

// rename changes the name of the i-th resource of the script.
func rename(i int, name string) *operation {
	op := &operation{name: fmt.Sprintf("rename #%d to %s", i, name)}
	op.run = func(w *world, s *Store) outcome {
		id := w.ids[i]
		if w.forgetful {
			g := s.api.(gated)
			g.overlooks, _, _ = v1alpha1.SplitSCIMID(id)
			s.api = g
		}
		d, t := w.directory(s)
		_, err := d.change(context.Background(), t, id, func(obj client.Object) (draft, error) {
			next := obj.DeepCopyObject().(client.Object)
			switch next := next.(type) {
			case *v1alpha1.ScimUser:
				if next.Spec.UserName == name {
					return draft{}, nil
				}
				next.Spec.UserName = name
			case *v1alpha1.ScimGroup:
				if next.Spec.DisplayName == name {
					return draft{}, nil
				}
				next.Spec.DisplayName = name
				labelGroup(next)
			}
			return draft{obj: next}, nil
		})
		return outcomeOf(err)
	}
	op.effect = func(w *world, d *ideal, _ outcome) outcome {
		id := w.ids[i]
		old, ok := d.nameOf(id)
		switch {
		case !ok:
			return outcome{result: "missing"}
		case (*d)[name] != "" && (*d)[name] != id:
			return outcome{result: "taken"}
		}
		delete(*d, old)
		(*d)[name] = id
		return outcome{result: "ok"}
	}
	return op
}

// remove deletes the i-th resource of the script.
func remove(i int) *operation {
	op := &operation{name: fmt.Sprintf("delete #%d", i)}
	op.run = func(w *world, s *Store) outcome {
		id := w.ids[i]
		d, t := w.directory(s)
		return outcomeOf(d.remove(context.Background(), t, id))
	}
	op.effect = func(w *world, d *ideal, _ outcome) outcome {
		id := w.ids[i]
		name, ok := d.nameOf(id)
		if !ok {
			return outcome{result: "missing"}
		}
		delete(*d, name)
		return outcome{result: "ok"}
	}
	return op
}

// loseLeases makes the groups what a restore without Leases leaves.
func loseLeases() *operation {
	return &operation{name: "restore without Leases", run: func(w *world, _ *Store) outcome {
		w.restored = true
		maps.DeleteFunc(w.etcd.objects, func(key string, _ client.Object) bool { return strings.HasPrefix(key, "lease/") })
		return outcome{result: "ok"}
	}}
}

func lookup(name string) *operation {
	op := &operation{name: "look up " + name}
	op.run = func(w *world, s *Store) outcome {
		if w.groups {
			groups, err := listByDisplayName(context.Background(), s.api, modelNamespace, name)
			switch {
			case err != nil:
				return outcomeOf(err)
			case len(groups) == 0:
				return outcome{result: "nobody"}
			}
			return outcome{result: "found", id: groups[0].SCIMID()}
		}
		holder, err := w.arbiter(s).holder(context.Background(), userSlot(name))
		switch {
		case err != nil:
			return outcomeOf(err)
		case holder == nil:
			return outcome{result: "nobody"}
		}
		return outcome{result: "found", id: holder.(*v1alpha1.ScimUser).SCIMID()}
	}
	op.effect = func(_ *world, d *ideal, result outcome) outcome {
		switch holder := (*d)[name]; {
		case holder == "":
			return outcome{result: "nobody"}
		case strings.HasPrefix(holder, "?"):
			return outcome{result: "found", id: result.id}
		default:
			return outcome{result: "found", id: holder}
		}
	}
	return op
}

// found does an operation with whoever a look-up of the name finds: its i-th resource, one more than there are in the script.
func found(name string, i int, op *operation) *operation {
	return &operation{
		name: op.name + ", found as " + name,
		run: func(w *world, s *Store) outcome {
			o := lookup(name).run(w, s)
			if o.result != "found" {
				return o
			}
			w.ids = append(w.ids[:i:i], o.id)
			return op.run(w, s)
		},
		effect: func(w *world, d *ideal, result outcome) outcome {
			if result.result == "nobody" {
				return result
			}
			if strings.HasPrefix((*d)[name], "?") {
				(*d)[name] = w.ids[i]
			}
			return op.effect(w, d, result)
		},
	}
}

// lateControl is control after another call, so that it sees what others have begun.
func lateControl() *operation {
	return &operation{name: "late controller", run: func(w *world, s *Store) outcome {
		lookup("a").run(w, s)
		return control().run(w, s)
	}}
}

// control is what the controllers do with every object: finish what is being deleted, remove reservations that nobody needs, admit what is not admitted.
func control() *operation {
	return &operation{name: "controller", run: func(w *world, s *Store) outcome {
		for _, key := range slices.Sorted(maps.Keys(w.etcd.objects)) {
			if obj := w.etcd.objects[key]; obj != nil {
				if err := w.reconcile(s, obj); err != nil {
					return outcomeOf(err)
				}
			}
		}
		return outcome{result: "ok"}
	}}
}

func (w *world) reconcile(s *Store, seen client.Object) error {
	ctx := context.Background()
	var err error
	switch obj := seen.DeepCopyObject().(type) {
	case *v1alpha1.ScimUser:
		switch {
		case isReservation(obj):
			_, err = s.SweepReservation(ctx, obj)
		case obj.DeletionTimestamp != nil:
			err = w.finalizeUser(ctx, s, obj)
		case !obj.Admitted():
			err = s.Admit(ctx, obj)
		}
	case *v1alpha1.ScimGroup:
		switch {
		case obj.DeletionTimestamp != nil:
			if err = s.ReleaseGroupName(ctx, obj); err == nil {
				obj.Finalizers = nil
				err = s.api.Update(ctx, obj)
			}
		case !obj.Admitted():
			err = s.AdmitGroup(ctx, obj)
		}
	}
	var conflict *ConflictError
	if lost(err) || errors.As(err, &conflict) {
		return nil
	}
	return err
}

func (w *world) finalizeUser(ctx context.Context, s *Store, u *v1alpha1.ScimUser) error {
	if !w.careless {
		if err := s.ReleaseReservation(ctx, u); err != nil {
			return err
		}
		if may, err := s.MayVanish(ctx, u); err != nil || !may {
			return err
		}
	}
	u.Finalizers = nil
	return s.api.Update(ctx, u)
}

// slots of the few names that scenarios use.
var (
	userSlots  = map[string]string{"a": userSlot("a"), "b": userSlot("b"), "c": userSlot("c")}
	groupSlots = map[string]string{"a": groupSlot("okta", "a"), "b": groupSlot("okta", "b"), "c": groupSlot("okta", "c")}
)

// holders reads from etcd who has which name. It fails if two have one, or if a name is held without its slot saying so.
func (w *world) holders() (ideal, error) {
	found := ideal{}
	for key, obj := range w.etcd.objects {
		var name, id, slotKey string
		var reserved *v1alpha1.Reservation
		switch obj := obj.(type) {
		case *v1alpha1.ScimUser:
			if obj.DeletionTimestamp != nil || !obj.Admitted() {
				continue
			}
			name, id, slotKey = obj.Spec.UserName, obj.SCIMID(), "user/"+userSlots[obj.Spec.UserName]
			if slot, _ := w.etcd.objects[slotKey].(*v1alpha1.ScimUser); slot != nil {
				reserved = slot.Spec.Reservation
			}
		case *v1alpha1.ScimGroup:
			if obj.DeletionTimestamp != nil || !obj.Admitted() {
				continue
			}
			name, id, slotKey = obj.Spec.DisplayName, obj.SCIMID(), "lease/"+groupSlots[obj.Spec.DisplayName]
			reserved = w.leaseHolder(groupSlots[obj.Spec.DisplayName])
		default:
			continue
		}
		if found[name] != "" {
			return nil, fmt.Errorf("both %s and %s have the name %s", found[name], id, name)
		}
		found[name] = id
		switch {
		case key == slotKey && reserved != nil:
			return nil, fmt.Errorf("%s has the name %s, but reserves it for %s", id, name, reserved.User)
		case key != slotKey && !w.restored && (reserved == nil || reserved.User+"."+reserved.ID != id):
			return nil, fmt.Errorf("%s has the name %s, but the slot is not reserved for it", id, name)
		}
	}
	return found, nil
}

func (w *world) leaseHolder(name string) *v1alpha1.Reservation {
	s, err := groupKind{api: gated{etcd: w.etcd, turn: func(access) {}}, namespace: modelNamespace}.read(context.Background(), name)
	if err != nil {
		return nil
	}
	return s.reservation
}
