// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/resource"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// A resourceType is users or groups, as one request sees them.
type resourceType interface {
	scim() *scim.ResourceType
	// word is what a person calls it.
	word() string
	arbiter() *arbiter
	owner(client.Object) (client *string, managedBy v1alpha1.ManagedBy)

	// create stores a new resource.
	create(context.Context, *scim.Resource) (client.Object, error)
	// replaced is what a PUT makes of the object.
	replaced(context.Context, client.Object, *scim.Resource) (draft, error)
	// patched is what a PATCH makes of the object.
	patched(context.Context, client.Object, *scim.Patch) (draft, error)

	// version is the ETag.
	version(client.Object) string
	// resource is the object in SCIM's words. Of meta, groups and members, only what show asks for is loaded.
	resource(ctx context.Context, obj client.Object, show func(attribute string) bool) (*scim.Resource, error)
	// part is of the resource what a query needs.
	part(context.Context, client.Object, *needs) (*scim.Resource, error)
	// lookUp gives live objects, among them all that the filter selects, where the API server or an index can find them.
	lookUp(context.Context, *scim.Filter) (objects []client.Object, found bool, err error)
}

// A draft is a change that is worked out and not written yet.
type draft struct {
	// obj is the object as it is to be, nil where it is no other than before.
	obj client.Object
	// slices have to be written before it.
	slices []*v1alpha1.ScimGroupSlice
}

// of gives the resource type of a request.
func (d *Directory) of(rt *scim.ResourceType) resourceType {
	if rt == scim.GroupType {
		shared := func(client string) bool {
			return client == d.scope.Client && d.scope.GroupNames == v1alpha1.GroupNamesShared
		}
		return groupResources{d: d, a: d.store.groups(d.scope.Namespace, shared)}
	}
	return userResources{d: d, a: d.store.users(d.scope.Namespace)}
}

func (d *Directory) options() scim.Options {
	return scim.Options{Dialect: d.scope.Dialect, Used: d.scope.Used}
}

// madeID is the form of the ids that randomID gives.
var madeID = regexp.MustCompile(`^[a-z0-9][-a-z0-9.]*\.[a-z2-7]{13}$`)

// IsID tells whether a text has the form of the ids that are given here. There need not be a resource with it.
func IsID(text string) bool { return madeID.MatchString(text) }

// describe puts meta into a resource.
func describe(r *scim.Resource, obj client.Object, version string) {
	r.Set("meta", map[string]any{
		"resourceType": r.Type().Name,
		"created":      obj.GetCreationTimestamp().UTC().Format(timeFormat),
		"lastModified": Modified(obj).Format(timeFormat),
		"version":      version,
	})
}

// shows is whether the attribute has to be loaded for the answer. The ETag is a header, too.
func (d *Directory) shows(attribute string) bool {
	return attribute == "meta" || d.scope.Projection == nil || d.scope.Projection.Includes(attribute)
}

func word(rt *scim.ResourceType) string { return strings.ToLower(rt.Name) }

// specs compares as the API server would store: raw attributes as JSON values, not as text.
var specs = func() conversion.Equalities {
	e := equality.Semantic.Copy()
	if err := e.AddFunc(func(a, b runtime.RawExtension) bool {
		var x, y any
		if json.Unmarshal(a.Raw, &x) != nil || json.Unmarshal(b.Raw, &y) != nil {
			return string(a.Raw) == string(b.Raw)
		}
		return equality.Semantic.DeepEqual(x, y)
	}); err != nil {
		panic(err)
	}
	return e
}()

// userResources is the Users endpoint.
type userResources struct {
	d *Directory
	a *arbiter
}

func (userResources) scim() *scim.ResourceType { return scim.UserType }
func (userResources) word() string             { return word(scim.UserType) }
func (t userResources) arbiter() *arbiter      { return t.a }

func (userResources) owner(obj client.Object) (*string, v1alpha1.ManagedBy) {
	spec := &obj.(*v1alpha1.ScimUser).Spec
	return &spec.Client, spec.ManagedBy
}

func (t userResources) create(ctx context.Context, r *scim.Resource) (client.Object, error) {
	u := &v1alpha1.ScimUser{}
	u.Namespace = t.d.scope.Namespace
	if err := resource.ApplyUser(&u.Spec, r.Map(), t.d.scope.Client); err != nil {
		return nil, err
	}
	keepLock(&v1alpha1.ScimUser{}, u, t.d.scope.Client)
	if err := t.d.sign(t, u); err != nil {
		return nil, err
	}
	created, err := t.d.store.createUser(ctx, u)
	if err != nil {
		return nil, err
	}
	return created, nil
}

func (t userResources) replaced(_ context.Context, obj client.Object, r *scim.Resource) (draft, error) {
	result, changed, err := scim.Replace(t.content(obj), r)
	if err != nil || !changed {
		return draft{}, err
	}
	return t.applied(obj, result)
}

func (t userResources) patched(_ context.Context, obj client.Object, p *scim.Patch) (draft, error) {
	result, changed, err := scim.ApplyPatch(t.content(obj), p, t.d.options())
	if err != nil || !changed {
		return draft{}, err
	}
	return t.applied(obj, result)
}

func (t userResources) applied(obj client.Object, r *scim.Resource) (draft, error) {
	u := obj.(*v1alpha1.ScimUser)
	next := u.DeepCopy()
	if err := resource.ApplyUser(&next.Spec, r.Map(), t.d.scope.Client); err != nil {
		return draft{}, err
	}
	if u.Spec.Active == nil && next.ActiveInSCIM() {
		next.Spec.Active = nil
	}
	if specs.DeepEqual(u.Spec, next.Spec) {
		return draft{}, nil
	}
	keepLock(u, next, t.d.scope.Client)
	return draft{obj: next}, nil
}

// content is what a client wrote, and the id.
func (t userResources) content(obj client.Object) *scim.Resource {
	u := obj.(*v1alpha1.ScimUser)
	r := scim.ResourceFromMap(scim.UserType, resource.UserJSON(u, t.d.scope.Client))
	r.Set("id", u.SCIMID())
	// An absent active is true: a client reads it so, and setting it to true changes nothing.
	r.Set("active", u.ActiveInSCIM())
	return r
}

func (t userResources) version(obj client.Object) string { return scim.ETag(t.content(obj)) }

func (t userResources) resource(ctx context.Context, obj client.Object, show func(string) bool) (*scim.Resource, error) {
	u := obj.(*v1alpha1.ScimUser)
	r := t.content(u)
	if show("meta") {
		describe(r, u, scim.ETag(r))
	}
	if show("groups") {
		groups, err := t.d.groupsOf(ctx, u)
		if err != nil {
			return nil, err
		}
		r.Set("groups", groups)
	}
	return r, nil
}
