// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	coordination "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

const modelNamespace = "model"

// etcd is a model of the API server in front of etcd: each call is atomic, an update is a compare-and-swap, an object with finalizers that is deleted stays
// until the last of them is removed, an update that changes nothing writes nothing, and a resourceVersion never comes again. Resource versions count the writes
// of one object, so that writes of different objects commute, which the explorer makes use of.
type etcd struct {
	objects  map[string]client.Object
	versions map[string]int
	// broken, if set, says which writes get lost although they are reported as done. It stands for a protocol without that write.
	broken func(old, obj client.Object) bool
	// dropped, if set, says which creates get lost although they are reported as done.
	dropped func(key string) bool
	// blind makes an update overwrite whatever is there.
	blind bool
}

func newEtcd() *etcd {
	return &etcd{objects: map[string]client.Object{}, versions: map[string]int{}}
}

// keyName is "<kind>/<name>".
func keyName(obj client.Object, name string) string {
	switch obj.(type) {
	case *v1alpha1.ScimUser:
		return "user/" + name
	case *v1alpha1.ScimGroup:
		return "group/" + name
	case *v1alpha1.ScimGroupSlice:
		return "slice/" + name
	case *coordination.Lease:
		return "lease/" + name
	default:
		panic(fmt.Sprintf("no model of %T", obj))
	}
}

func groupResource(key string) schema.GroupResource {
	kind, _, _ := strings.Cut(key, "/")
	return schema.GroupResource{Resource: kind}
}

func (e *etcd) get(key string, into client.Object) error {
	stored := e.objects[key]
	if stored == nil {
		return apierrors.NewNotFound(groupResource(key), key)
	}
	set(into, stored)
	return nil
}

// set copies deeply.
func set(into, from client.Object) {
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(from.DeepCopyObject()).Elem())
}

func (e *etcd) store(key string, obj client.Object) {
	e.versions[key]++
	obj.SetResourceVersion(fmt.Sprintf("%s:%d", key, e.versions[key]))
	e.objects[key] = obj.DeepCopyObject().(client.Object)
}

func (e *etcd) create(key string, obj client.Object) error {
	if e.objects[key] != nil {
		return apierrors.NewAlreadyExists(groupResource(key), key)
	}
	obj.SetUID(types.UID(fmt.Sprintf("%s#%d", key, e.versions[key])))
	if e.dropped != nil && e.dropped(key) {
		return nil
	}
	e.store(key, obj)
	return nil
}

func (e *etcd) update(key string, obj client.Object) error {
	stored := e.objects[key]
	if stored == nil {
		return apierrors.NewNotFound(groupResource(key), key)
	}
	if stored.GetResourceVersion() != obj.GetResourceVersion() && !e.blind {
		return apierrors.NewConflict(groupResource(key), key, nil)
	}
	if stored.GetDeletionTimestamp() != nil {
		for _, f := range obj.GetFinalizers() {
			if !contains(stored.GetFinalizers(), f) {
				panic("a finalizer was added to an object that is being deleted")
			}
		}
	}
	if id := specID(stored); id != "" && specID(obj) != id {
		panic("spec.id was changed")
	}
	if equality.Semantic.DeepEqual(stored, obj) || e.broken != nil && e.broken(stored, obj) {
		return nil
	}
	if obj.GetDeletionTimestamp() != nil && len(obj.GetFinalizers()) == 0 {
		e.versions[key]++
		delete(e.objects, key)
		return nil
	}
	e.store(key, obj)
	return nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func specID(obj client.Object) string {
	switch obj := obj.(type) {
	case *v1alpha1.ScimUser:
		return obj.Spec.ID
	case *v1alpha1.ScimGroup:
		return obj.Spec.ID
	}
	return ""
}

func (e *etcd) remove(key string, obj client.Object) error {
	stored := e.objects[key]
	if stored == nil {
		return apierrors.NewNotFound(groupResource(key), key)
	}
	if stored.GetUID() != obj.GetUID() || stored.GetResourceVersion() != obj.GetResourceVersion() {
		return apierrors.NewConflict(groupResource(key), key, nil)
	}
	if len(stored.GetFinalizers()) == 0 {
		e.versions[key]++
		delete(e.objects, key)
		return nil
	}
	if stored.GetDeletionTimestamp() == nil {
		next := stored.DeepCopyObject().(client.Object)
		next.SetDeletionTimestamp(&metav1.Time{Time: time.Unix(1, 0)})
		e.store(key, next)
	}
	return nil
}

func (e *etcd) list(list client.ObjectList, opts ...client.ListOption) error {
	o := client.ListOptions{}
	o.ApplyOptions(opts)
	groups, ok := list.(*v1alpha1.ScimGroupList)
	if !ok {
		panic(fmt.Sprintf("no model of listing %T", list))
	}
	for _, obj := range e.objects {
		if g, ok := obj.(*v1alpha1.ScimGroup); ok && o.LabelSelector.Matches(labels.Set(g.Labels)) {
			groups.Items = append(groups.Items, *g.DeepCopy())
		}
	}
	return nil
}

// An access is what a call is about to touch: one object, or all of a kind ("group/*").
type access struct {
	key   string
	write bool
}

func (a access) independent(b access) bool {
	if !a.write && !b.write {
		return true
	}
	return !covers(a.key, b.key) && !covers(b.key, a.key)
}

func covers(a, b string) bool {
	if kind, all := strings.CutSuffix(a, "*"); all {
		return strings.HasPrefix(b, kind)
	}
	return a == b
}

// gated is the model as one actor sees it: before each call it asks for its turn.
type gated struct {
	etcd *etcd
	turn func(access)
	// overlooks, if set, is the object whose reservations the actor does not see.
	overlooks string
}

func (g gated) Get(_ context.Context, key client.ObjectKey, obj client.Object) error {
	k := keyName(obj, key.Name)
	g.turn(access{key: k})
	err := g.etcd.get(k, obj)
	if u, ok := obj.(*v1alpha1.ScimUser); ok && g.overlooks != "" && u.Spec.Reservation != nil && u.Spec.Reservation.User == g.overlooks {
		u.Spec.Reservation = nil
	}
	return err
}

func (g gated) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	g.turn(access{key: "group/*"})
	return g.etcd.list(list, opts...)
}

func (g gated) Create(_ context.Context, obj client.Object) error {
	k := keyName(obj, obj.GetName())
	g.turn(access{key: k, write: true})
	return g.etcd.create(k, obj)
}

func (g gated) Update(_ context.Context, obj client.Object) error {
	k := keyName(obj, obj.GetName())
	g.turn(access{key: k, write: true})
	return g.etcd.update(k, obj)
}

func (g gated) Delete(_ context.Context, obj client.Object) error {
	k := keyName(obj, obj.GetName())
	g.turn(access{key: k, write: true})
	return g.etcd.remove(k, obj)
}

// instant is a clock on which waiting takes no time: those who wait give others the turn by their next call.
type instant struct{}

func (instant) Now() time.Time { return time.Unix(1e9, 0) }

func (instant) After(time.Duration) <-chan time.Time {
	c := make(chan time.Time)
	close(c)
	return c
}
