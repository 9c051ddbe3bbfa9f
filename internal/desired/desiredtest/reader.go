// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package desiredtest has what tests need to look at users, groups and apps without an API server: a cache that a test fills.
package desiredtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

// Cache is a client.Reader that holds what a test puts in, with the indexes of the operator.
type Cache struct {
	mu      sync.Mutex
	version int
	kinds   map[reflect.Type]*kind
}

type kind struct {
	objects map[types.NamespacedName]client.Object
	fields  map[string]client.IndexerFunc
	index   map[string]map[types.NamespacedName]client.Object
}

// NewCache makes an empty cache.
func NewCache() *Cache {
	c := &Cache{kinds: map[reflect.Type]*kind{}}
	err := errors.Join(directory.RegisterIndexes(context.Background(), c), desired.RegisterIndexes(context.Background(), c))
	if err != nil {
		// The indexes are compiled in.
		panic(err)
	}
	return c
}

func (c *Cache) kindOf(object client.Object) *kind {
	t := reflect.TypeOf(object)
	if c.kinds[t] == nil {
		c.kinds[t] = &kind{
			objects: map[types.NamespacedName]client.Object{}, fields: map[string]client.IndexerFunc{},
			index: map[string]map[types.NamespacedName]client.Object{},
		}
	}
	return c.kinds[t]
}

// IndexField implements client.FieldIndexer.
func (c *Cache) IndexField(_ context.Context, object client.Object, field string, values client.IndexerFunc) error {
	c.kindOf(object).fields[field] = values
	return nil
}

// Put stores an object as the watch would: with the next resourceVersion. It returns that.
func (c *Cache) Put(object client.Object) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	stored := object.DeepCopyObject().(client.Object)
	stored.SetResourceVersion(strconv.Itoa(c.version))
	key := client.ObjectKeyFromObject(stored)
	k := c.kindOf(stored)
	k.drop(key)
	k.objects[key] = stored
	for field, values := range k.fields {
		for _, value := range values(stored) {
			entry := field + "\x00" + value
			if k.index[entry] == nil {
				k.index[entry] = map[types.NamespacedName]client.Object{}
			}
			k.index[entry][key] = stored
		}
	}
	return stored.GetResourceVersion()
}

// Remove takes an object out.
func (c *Cache) Remove(object client.Object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kindOf(object).drop(client.ObjectKeyFromObject(object))
}

func (k *kind) drop(key types.NamespacedName) {
	old := k.objects[key]
	if old == nil {
		return
	}
	delete(k.objects, key)
	for field, values := range k.fields {
		for _, value := range values(old) {
			delete(k.index[field+"\x00"+value], key)
		}
	}
}

// Get implements client.Reader.
func (c *Cache) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	have := c.kindOf(into).objects[key]
	if have == nil {
		return apierrors.NewNotFound(schema.GroupResource{Group: v1alpha1.GroupVersion.Group}, key.Name)
	}
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(have).Elem())
	return nil
}

// List implements client.Reader, for a namespace and at most one indexed field. Objects come sorted by name, and shared.
func (c *Cache) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	options := (&client.ListOptions{}).ApplyOptions(opts)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch l := list.(type) {
	case *v1alpha1.ScimUserList:
		return fill(c, options, &l.Items)
	case *v1alpha1.ScimGroupList:
		return fill(c, options, &l.Items)
	case *v1alpha1.ScimGroupSliceList:
		return fill(c, options, &l.Items)
	case *v1alpha1.ScimAppList:
		return fill(c, options, &l.Items)
	case *v1alpha1.ScimRoleMappingList:
		return fill(c, options, &l.Items)
	default:
		return fmt.Errorf("no such list: %T", list)
	}
}

func fill[T any, P interface {
	*T
	client.Object
}](c *Cache, options *client.ListOptions, items *[]T) error {
	k := c.kindOf(P(new(T)))
	found := k.objects
	if options.FieldSelector != nil {
		requirement := options.FieldSelector.Requirements()[0]
		if k.fields[requirement.Field] == nil {
			return fmt.Errorf("there is no index %s", requirement.Field)
		}
		found = k.index[requirement.Field+"\x00"+requirement.Value]
	}
	keys := make([]types.NamespacedName, 0, len(found))
	for key := range found {
		if options.Namespace == "" || options.Namespace == key.Namespace {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b types.NamespacedName) int { return cmp.Compare(a.String(), b.String()) })
	*items = make([]T, len(keys))
	for i, key := range keys {
		(*items)[i] = *found[key].(P)
	}
	return nil
}

// Namespace of all that the functions of this package make.
const Namespace = "corp"

// Key of an object in Namespace.
func Key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: Namespace, Name: name}
}

// Meta is the metadata of an object in Namespace.
func Meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: Namespace, Name: name, UID: types.UID("uid-" + name), Generation: 1, Finalizers: []string{v1alpha1.FinalizerDeprovision},
	}
}

// User is an admitted user <name>@corp.test with account entries.
func User(name string, accounts ...v1alpha1.Account) *v1alpha1.ScimUser {
	user := &v1alpha1.ScimUser{ObjectMeta: Meta(name)}
	user.Spec.ID, user.Spec.UserName = "id-of-"+name, name+"@corp.test"
	user.Spec.Name = &v1alpha1.Name{GivenName: "Kim", FamilyName: "Tester"}
	user.Status.Accounts, user.Status.ObservedGeneration = accounts, user.Generation
	return user
}

// Group is an admitted group of users and groups.
func Group(name string, members ...client.Object) *v1alpha1.ScimGroup {
	group := &v1alpha1.ScimGroup{ObjectMeta: Meta(name)}
	group.Spec.ID, group.Spec.DisplayName = "id-of-"+name, name
	group.Labels = map[string]string{v1alpha1.LabelDisplayName: directory.DisplayNameLabel(name)}
	for _, member := range members {
		switch m := member.(type) {
		case *v1alpha1.ScimUser:
			group.Spec.Members = append(group.Spec.Members, v1alpha1.GroupMember{Value: m.SCIMID(), Type: v1alpha1.MemberTypeUser})
		case *v1alpha1.ScimGroup:
			group.Spec.Members = append(group.Spec.Members, v1alpha1.GroupMember{Value: m.SCIMID(), Type: v1alpha1.MemberTypeGroup})
		}
	}
	return group
}

// App is an app of the generic profile that may do all with accounts.
func App(name string) *v1alpha1.ScimApp {
	app := &v1alpha1.ScimApp{ObjectMeta: Meta(name)}
	app.Finalizers = nil
	app.Spec.Profile = "generic"
	app.Spec.SCIM.BaseURL = "https://" + name + ".example.com/scim/v2"
	app.Spec.Features = []v1alpha1.Feature{
		v1alpha1.FeaturePushNewUsers, v1alpha1.FeaturePushProfileUpdates, v1alpha1.FeaturePushUserDeactivation, v1alpha1.FeatureReactivateUsers,
	}
	return app
}

// Mapping gives users an app, with roles.
func Mapping(name, app string, userNames []string, roles ...string) *v1alpha1.ScimRoleMapping {
	mapping := &v1alpha1.ScimRoleMapping{ObjectMeta: Meta(name)}
	mapping.Spec.App, mapping.Spec.Subjects.Users, mapping.Spec.Roles = app, userNames, roles
	return mapping
}

// GroupMapping gives the members of a group an app, with roles.
func GroupMapping(name, app string, group *v1alpha1.ScimGroup, roles ...string) *v1alpha1.ScimRoleMapping {
	mapping := Mapping(name, app, nil, roles...)
	mapping.Spec.Subjects.Groups = []string{group.Spec.DisplayName}
	mapping.Status.Groups = []v1alpha1.ResolvedGroup{{DisplayName: group.Spec.DisplayName, ID: group.SCIMID(), Generation: 1}}
	return mapping
}

// Now is when the clocks of tests begin.
var Now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// NewView makes a view of a cache with an empty book whose clock stands still at Now.
func NewView(cache client.Reader) *desired.View {
	return desired.NewView(cache, ledger.NewBook(clocktesting.NewFakePassiveClock(Now)))
}
