// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/controllers/rolemapping"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// watchCache is what one process has seen of the API server, with the indexes of the operator.
type watchCache struct {
	kinds map[kind]*indexed
	// position in the log of each kind.
	position map[kind]int
}

type indexed struct {
	objects map[types.NamespacedName]client.Object
	fields  []field
	index   map[string]map[types.NamespacedName]client.Object
}

type field struct {
	name   string
	values client.IndexerFunc
}

// newCache lists everything, as informers do when a process starts.
func newCache(a *api, resynced bool) *watchCache {
	c := &watchCache{kinds: map[kind]*indexed{}, position: map[kind]int{}}
	for _, k := range kinds {
		c.kinds[k] = &indexed{objects: map[types.NamespacedName]client.Object{}, index: map[string]map[types.NamespacedName]client.Object{}}
	}
	ctx := context.Background()
	if err := errors.Join(directory.RegisterIndexes(ctx, c), desired.RegisterIndexes(ctx, c), rolemapping.RegisterIndexes(ctx, c)); err != nil {
		panic(err)
	}
	if resynced {
		if err := kube.RegisterResync(ctx, c, &v1alpha1.ScimUser{}, &v1alpha1.ScimGroup{}, &v1alpha1.ScimApp{}, &v1alpha1.ScimRoleMapping{}); err != nil {
			panic(err)
		}
	}
	for _, k := range kinds {
		for _, object := range a.all(k) {
			c.kinds[k].put(object)
		}
		c.position[k] = len(a.stores[k].log)
	}
	return c
}

// IndexField implements client.FieldIndexer.
func (c *watchCache) IndexField(_ context.Context, obj client.Object, name string, values client.IndexerFunc) error {
	k := c.kinds[kindOf(obj)]
	k.fields = append(k.fields, field{name, values})
	return nil
}

// GetInformer implements directory.Cache: listings are not part of the simulation, so nobody is told.
func (c *watchCache) GetInformer(context.Context, client.Object, ...cache.InformerGetOption) (cache.Informer, error) {
	return silent{}, nil
}

// next is the event that the process has not seen yet, false if there is none.
func (c *watchCache) next(a *api, k kind) (change, bool) {
	log := a.stores[k].log
	if c.position[k] == len(log) {
		return change{}, false
	}
	return log[c.position[k]], true
}

// take moves past the next event. What the cache had before is in it: the event of a watch has the object as the cache knew it.
func (c *watchCache) take(a *api, k kind) change {
	event, _ := c.next(a, k)
	c.position[k]++
	if event.after != nil {
		c.kinds[k].put(event.after)
	} else {
		c.kinds[k].drop(client.ObjectKeyFromObject(event.before))
	}
	return event
}

func (k *indexed) put(object client.Object) {
	key := client.ObjectKeyFromObject(object)
	k.drop(key)
	k.objects[key] = object
	for _, f := range k.fields {
		for _, value := range f.values(object) {
			entry := f.name + "\x00" + value
			if k.index[entry] == nil {
				k.index[entry] = map[types.NamespacedName]client.Object{}
			}
			k.index[entry][key] = object
		}
	}
}

func (k *indexed) drop(key types.NamespacedName) {
	old := k.objects[key]
	if old == nil {
		return
	}
	delete(k.objects, key)
	for _, f := range k.fields {
		for _, value := range f.values(old) {
			delete(k.index[f.name+"\x00"+value], key)
		}
	}
}

// Get implements client.Reader.
func (c *watchCache) Get(_ context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	k := kindOf(into)
	have := c.kinds[k].objects[key]
	if have == nil {
		return apierrors.NewNotFound(resourceOf(k), key.Name)
	}
	options := (&client.GetOptions{}).ApplyOptions(opts)
	shared := options.UnsafeDisableDeepCopy != nil && *options.UnsafeDisableDeepCopy
	assign(into, have, shared)
	return nil
}

func assign(into, have client.Object, shared bool) {
	if !shared {
		have = copyOf(have)
	}
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(have).Elem())
}

// List implements client.Reader, for one namespace and at most one indexed field. Objects come sorted by name.
func (c *watchCache) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	options := (&client.ListOptions{}).ApplyOptions(opts)
	k := c.kinds[listed(list)]
	objects := k.objects
	if options.FieldSelector != nil {
		r := options.FieldSelector.Requirements()[0]
		if !slices.ContainsFunc(k.fields, func(f field) bool { return f.name == r.Field }) {
			return fmt.Errorf("there is no index %s", r.Field)
		}
		objects = k.index[r.Field+"\x00"+r.Value]
	}
	shared := options.UnsafeDisableDeepCopy != nil && *options.UnsafeDisableDeepCopy
	return fillList(list, objects, options, shared)
}

// listed is the kind of a list's objects.
func listed(list client.ObjectList) kind {
	return kind(strings.TrimSuffix(reflect.TypeOf(list).Elem().Name(), "List"))
}

func fillList(list client.ObjectList, objects map[types.NamespacedName]client.Object, options *client.ListOptions, shared bool) error {
	found := sorted(objects)
	if options.LabelSelector != nil {
		found = slices.DeleteFunc(found, func(o client.Object) bool { return !options.LabelSelector.Matches(labelsOf(o)) })
	}
	switch l := list.(type) {
	case *v1alpha1.ScimUserList:
		l.Items = itemsOf[v1alpha1.ScimUser](found, shared)
	case *v1alpha1.ScimGroupList:
		l.Items = itemsOf[v1alpha1.ScimGroup](found, shared)
	case *v1alpha1.ScimGroupSliceList:
		l.Items = itemsOf[v1alpha1.ScimGroupSlice](found, shared)
	case *v1alpha1.ScimAppList:
		l.Items = itemsOf[v1alpha1.ScimApp](found, shared)
	case *v1alpha1.ScimRoleMappingList:
		l.Items = itemsOf[v1alpha1.ScimRoleMapping](found, shared)
	default:
		return fmt.Errorf("no such list: %T", list)
	}
	return nil
}

func itemsOf[T any, P interface {
	*T
	client.Object
}](objects []client.Object, shared bool) []T {
	items := make([]T, len(objects))
	for i, object := range objects {
		assign(P(&items[i]), object, shared)
	}
	return items
}

// silent is an informer that tells nobody.
type silent struct{ cache.Informer }

// AddEventHandler implements cache.Informer.
func (silent) AddEventHandler(toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	return synced{}, nil
}

type synced struct{}

// HasSynced implements toolscache.ResourceEventHandlerRegistration.
func (synced) HasSynced() bool { return true }

// HasSyncedChecker implements toolscache.ResourceEventHandlerRegistration.
func (s synced) HasSyncedChecker() toolscache.DoneChecker { return s }

// Name implements toolscache.DoneChecker.
func (synced) Name() string { return "simulation" }

// Done implements toolscache.DoneChecker.
func (synced) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}
