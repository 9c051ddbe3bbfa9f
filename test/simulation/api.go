// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	coordination "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// namespace of all objects.
const namespace = "corp"

// kind is a kind of objects by the name of its Go type.
type kind string

// kinds have a watch each, in the order in which a new process lists them.
var kinds = []kind{"Secret", "ScimApp", "ScimRoleMapping", "ScimGroup", "ScimGroupSlice", "ScimUser", "ScimClient", "Lease"}

// record is a kind that has no watch: it is read live.
const record = kind("ScimGroupRecord")

func kindOf(obj client.Object) kind { return kind(reflect.TypeOf(obj).Elem().Name()) }

// change is one entry of the log that watches follow. before is nil at creation, after at deletion.
type change struct {
	before, after client.Object
}

func (c change) object() client.Object {
	if c.after != nil {
		return c.after
	}
	return c.before
}

// store is all objects of a kind. An object in it is never changed, so that caches and events share it.
type store struct {
	objects map[types.NamespacedName]client.Object
	log     []change
}

// api is the model of the API server: optimistic concurrency, generations, status as a subresource, finalizers, one resourceVersion for all.
type api struct {
	version int64
	uids    int
	stores  map[kind]*store
	// written is told of each change that took effect.
	written func(kind, change)
}

func newAPI() *api {
	a := &api{stores: map[kind]*store{}, written: func(kind, change) {}}
	for _, k := range append([]kind{record}, kinds...) {
		a.stores[k] = &store{objects: map[types.NamespacedName]client.Object{}}
	}
	return a
}

func resourceOf(k kind) schema.GroupResource {
	return schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: string(k)}
}

// get returns the object itself, nil if there is none.
func (a *api) get(k kind, key types.NamespacedName) client.Object { return a.stores[k].objects[key] }

// all are the objects of a kind, sorted by name.
func (a *api) all(k kind) []client.Object { return sorted(a.stores[k].objects) }

func sorted(objects map[types.NamespacedName]client.Object) []client.Object {
	list := make([]client.Object, 0, len(objects))
	for _, object := range objects {
		list = append(list, object)
	}
	slices.SortFunc(list, func(a, b client.Object) int {
		if a.GetName() < b.GetName() {
			return -1
		}
		return 1
	})
	return list
}

// copyOf goes by way of JSON where it matters: times are cut to seconds.
func copyOf(obj client.Object) client.Object { return obj.DeepCopyObject().(client.Object) }

// throughJSON is the object as it comes back from etcd.
func throughJSON(obj client.Object) client.Object {
	data, err := json.Marshal(obj)
	if err != nil {
		panic(err)
	}
	return fromJSON(data, obj)
}

func fromJSON(data []byte, like client.Object) client.Object {
	into := reflect.New(reflect.TypeOf(like).Elem()).Interface().(client.Object)
	if err := json.Unmarshal(data, into); err != nil {
		panic(fmt.Sprintf("%s: %v", data, err))
	}
	return into
}

// put stores an object and tells the watches.
func (a *api) put(k kind, before, after client.Object) {
	a.version++
	after.SetResourceVersion(strconv.FormatInt(a.version, 10))
	s := a.stores[k]
	s.objects[client.ObjectKeyFromObject(after)] = after
	c := change{before: before, after: after}
	s.log = append(s.log, c)
	a.written(k, c)
}

func (a *api) drop(k kind, object client.Object) {
	a.version++
	s := a.stores[k]
	delete(s.objects, client.ObjectKeyFromObject(object))
	last := copyOf(object)
	last.SetResourceVersion(strconv.FormatInt(a.version, 10))
	c := change{before: last}
	s.log = append(s.log, c)
	a.written(k, c)
}

// create stores a new object.
func (a *api) create(obj client.Object) (client.Object, error) {
	k, key := kindOf(obj), client.ObjectKeyFromObject(obj)
	if a.get(k, key) != nil {
		return nil, apierrors.NewAlreadyExists(resourceOf(k), key.Name)
	}
	stored := throughJSON(obj)
	a.uids++
	stored.SetUID(types.UID(fmt.Sprintf("uid-%d", a.uids)))
	stored.SetGeneration(1)
	stored.SetCreationTimestamp(metav1.NewTime(time.Now().Truncate(time.Second)))
	a.put(k, nil, stored)
	return stored, nil
}

// update replaces an object but for its status.
func (a *api) update(obj client.Object) (client.Object, error) {
	k, key := kindOf(obj), client.ObjectKeyFromObject(obj)
	before := a.get(k, key)
	if before == nil {
		return nil, apierrors.NewNotFound(resourceOf(k), key.Name)
	}
	if version := obj.GetResourceVersion(); version != "" && version != before.GetResourceVersion() {
		return nil, conflict(k, key.Name)
	}
	return a.replace(k, before, throughJSON(obj), false)
}

// patch applies a JSON merge patch to the object, or to its status. desired is what its sender made the patch from.
func (a *api) patch(desired client.Object, data []byte, status bool) (client.Object, error) {
	k, key := kindOf(desired), client.ObjectKeyFromObject(desired)
	before := a.get(k, key)
	if before == nil {
		return nil, apierrors.NewNotFound(resourceOf(k), key.Name)
	}
	var patch map[string]any
	if err := json.Unmarshal(data, &patch); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	meta, _ := patch["metadata"].(map[string]any)
	if version, bound := meta["resourceVersion"].(string); bound && version != before.GetResourceVersion() {
		return nil, conflict(k, key.Name)
	}
	if uid, bound := meta["uid"].(string); bound && uid != string(before.GetUID()) {
		return nil, conflict(k, key.Name)
	}
	if _, spec := patch["spec"]; status && !spec && meta["resourceVersion"] == desired.GetResourceVersion() {
		// The patch leads from the stored object to the desired one: no merge is needed.
		only := reflect.New(reflect.TypeOf(desired).Elem()).Interface().(client.Object)
		setStatus(only, desired)
		return a.replace(k, before, throughJSON(only), true)
	}
	return a.replace(k, before, merged(before, patch), status)
}

func conflict(k kind, name string) error {
	return apierrors.NewConflict(resourceOf(k), name, fmt.Errorf("the object has been modified"))
}

// merged is the object with a JSON merge patch applied (RFC 7396).
func merged(before client.Object, patch map[string]any) client.Object {
	data, err := json.Marshal(before)
	if err != nil {
		panic(err)
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		panic(err)
	}
	mergeInto(object, patch)
	if data, err = json.Marshal(object); err != nil {
		panic(err)
	}
	return fromJSON(data, before)
}

func mergeInto(object, patch map[string]any) {
	for name, value := range patch {
		if value == nil {
			delete(object, name)
			continue
		}
		inner, ok := value.(map[string]any)
		if !ok {
			object[name] = value
			continue
		}
		have, ok := object[name].(map[string]any)
		if !ok {
			have = map[string]any{}
		}
		mergeInto(have, inner)
		object[name] = have
	}
}

// replace stores after in place of before: only its status if status is true, everything else if not. What changes nothing is not written.
func (a *api) replace(k kind, before, after client.Object, status bool) (client.Object, error) {
	next := after
	if status {
		next = copyOf(before)
		setStatus(next, after)
	} else {
		setStatus(next, before)
	}
	next.SetUID(before.GetUID())
	next.SetCreationTimestamp(before.GetCreationTimestamp())
	next.SetDeletionTimestamp(before.GetDeletionTimestamp())
	next.SetGeneration(before.GetGeneration())
	next.SetResourceVersion(before.GetResourceVersion())
	if !status && !equality.Semantic.DeepEqual(specOf(before), specOf(next)) {
		next.SetGeneration(before.GetGeneration() + 1)
	}
	if equality.Semantic.DeepEqual(before, next) {
		return before, nil
	}
	if next.GetDeletionTimestamp() != nil && len(next.GetFinalizers()) == 0 {
		a.drop(k, before)
		return next, nil
	}
	a.put(k, before, next)
	return next, nil
}

// remove deletes an object, or marks it while it has finalizers.
func (a *api) remove(k kind, key types.NamespacedName, only *metav1.Preconditions) error {
	before := a.get(k, key)
	if before == nil {
		return apierrors.NewNotFound(resourceOf(k), key.Name)
	}
	if only != nil && ((only.UID != nil && *only.UID != before.GetUID()) || (only.ResourceVersion != nil && *only.ResourceVersion != before.GetResourceVersion())) {
		return conflict(k, key.Name)
	}
	if len(before.GetFinalizers()) == 0 {
		a.drop(k, before)
		return nil
	}
	if before.GetDeletionTimestamp() != nil {
		return nil
	}
	after := copyOf(before)
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	after.SetDeletionTimestamp(&now)
	after.SetGeneration(before.GetGeneration() + 1)
	a.put(k, before, after)
	return nil
}

// edit changes the spec or the metadata of an object as a person or the identity provider does: on the object as it is now.
func edit[T client.Object](a *api, key types.NamespacedName, like T, change func(T)) bool {
	before := a.get(kindOf(like), key)
	if before == nil {
		return false
	}
	after := copyOf(before).(T)
	change(after)
	_, err := a.update(after)
	return err == nil
}

func specOf(obj client.Object) any {
	switch o := obj.(type) {
	case *v1alpha1.ScimUser:
		return o.Spec
	case *v1alpha1.ScimGroup:
		return o.Spec
	case *v1alpha1.ScimApp:
		return o.Spec
	case *v1alpha1.ScimRoleMapping:
		return o.Spec
	case *v1alpha1.ScimGroupSlice:
		return o.Spec
	case *v1alpha1.ScimGroupRecord:
		return o.Spec
	case *v1alpha1.ScimClient:
		return o.Spec
	case *coordination.Lease:
		return o.Spec
	case *corev1.Secret:
		return o.Data
	default:
		panic(fmt.Sprintf("no such kind: %T", obj))
	}
}

// setStatus gives an object the status of another one.
func setStatus(obj, from client.Object) {
	switch o := obj.(type) {
	case *v1alpha1.ScimUser:
		o.Status = *from.(*v1alpha1.ScimUser).Status.DeepCopy()
	case *v1alpha1.ScimGroup:
		o.Status = *from.(*v1alpha1.ScimGroup).Status.DeepCopy()
	case *v1alpha1.ScimApp:
		o.Status = *from.(*v1alpha1.ScimApp).Status.DeepCopy()
	case *v1alpha1.ScimRoleMapping:
		o.Status = *from.(*v1alpha1.ScimRoleMapping).Status.DeepCopy()
	case *v1alpha1.ScimClient:
		o.Status = *from.(*v1alpha1.ScimClient).Status.DeepCopy()
	}
}
