// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package directory stores SCIM resources as Kubernetes objects: users as ScimUsers, groups as ScimGroups.
//
// etcd is the authority for everything that several replicas have to agree on: names are unique because the objects that stand for them are (see
// docs/decisions/0001-unique-names.md), and a change is a compare-and-swap on the resourceVersion that it was worked out from. No lock is kept in memory.
//
// A [Directory] serves one request. Its errors are *scim.Error, some of them inside an [UnavailableError] that says when to try again.
package directory

// +kubebuilder:rbac:groups=scim-operator.io,resources=scimusers;scimgroups,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=scim-operator.io,resources=scimgroupslices,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups=scim-operator.io,resources=scimclients,verbs=get;list;watch
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=get;create;update;delete

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/membership"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// Options are what a Store works with. All are required.
type Options struct {
	// Client reads and writes at the API server, without a cache.
	Client client.Client
	// Cache has informers with the indexes of RegisterIndexes.
	Cache Cache
	// Cursors makes the cursors of pages. Replicas that have the same secret read each other's.
	Cursors *scim.Cursors
	// Clock gives the time of a change and paces waiting.
	Clock Clock
	// Random is the source of ids and object names: crypto/rand.Reader.
	Random io.Reader
	// SliceWriters is how many slices of a group are written at once, 0 for the default.
	SliceWriters int
}

// Cache is what is used of controller-runtime's cache.
type Cache interface {
	client.Reader
	GetInformer(ctx context.Context, obj client.Object, opts ...cache.InformerGetOption) (cache.Informer, error)
}

// Store is the users and groups of all namespaces. It may be used by many goroutines at once.
type Store struct {
	opts Options
	api  api
	pace pace
	// views have what listings show, the recent writes of this replica with it.
	views *views
	// bookmarks are where pages by index ended.
	bookmarks *bookmarks
	// sizes, fresh, cached and memberships are for the members of groups.
	sizes       sizes
	fresh       freshSlices
	cached      cachedSlices
	memberships *membership.Reader
}

// New makes a store, which follows the informers of the cache from now on. The cache need not have started.
func New(ctx context.Context, o Options) (*Store, error) {
	s := &Store{
		opts:  o,
		api:   kubernetes{o.Client},
		pace:  pace{clock: o.Clock, tries: tries, polls: polls},
		views: newViews(o.Clock),

		bookmarks:   newBookmarks(o.Clock),
		sizes:       defaultSizes,
		memberships: membership.NewReader(o.Cache, o.Client),
	}
	if o.SliceWriters > 0 {
		s.sizes.writers = o.SliceWriters
	}
	slices, err := o.Cache.GetInformer(ctx, &v1alpha1.ScimGroupSlice{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("watching the slices of groups: %w", err)
	}
	lost := func(slice *v1alpha1.ScimGroupSlice) {
		s.cached.remove(slice)
		s.memberships.Vanished(slice)
	}
	return s, errors.Join(membership.Follow(slices, s.cached.add, lost), s.views.follow(ctx, o.Cache))
}

// Synced returns when listings show all that the cache had when it was filled, or the context ends.
func (s *Store) Synced(ctx context.Context) error { return s.views.wait(ctx) }

func (s *Store) users(namespace string) *arbiter {
	return &arbiter{kind: userKind{api: s.api, namespace: namespace}, api: s.api, namespace: namespace, pace: s.pace}
}

// groups takes whether the displayNames of the groups of a client need not be unique.
func (s *Store) groups(namespace string, shared func(client string) bool) *arbiter {
	return &arbiter{kind: groupKind{api: s.api, namespace: namespace, shared: shared}, api: s.api, namespace: namespace, pace: s.pace}
}

// Scope says for whom a request is, and how its answer is wanted.
type Scope struct {
	// Namespace is the directory.
	Namespace string
	// Client is the name of the ScimClient that sent the request.
	Client string
	// GroupNames says whether the client's groups have unique names. Unique when empty.
	GroupNames v1alpha1.GroupNames
	// TakeOver says whether the client may change what another client made. No when empty.
	TakeOver v1alpha1.TakeOver
	// Dialect is what is tolerated in a PATCH.
	Dialect scim.Dialect
	// Used, if set, is told of each tolerance that a PATCH really needed.
	Used func(scim.Tolerance)
	// RequestID goes into the metadata of origin of what is written.
	RequestID string
	// Projection is what the answer will show, so that nothing else is loaded. Nil loads everything. The ETag covers all of the resource in any case.
	Projection *scim.Projection
	// IfMatch, if set, is asked with the current ETag before Replace, Patch and Delete; where it says no, the answer is 412.
	IfMatch func(etag string) bool
}

// Directory is the users and groups of one namespace, as one client sees them, for one request.
//
// Resources that it returns have id, schemas and meta (resourceType, created, lastModified, version) but not meta.location; a user's groups have value,
// display and type but not $ref.
type Directory struct {
	store *Store
	scope Scope
}

// For gives the directory of a request.
func (s *Store) For(scope Scope) *Directory { return &Directory{store: s, scope: scope} }

// Query selects resources, and a page of them.
type Query struct {
	// Types are those that a query over several types goes through; users and groups where it is empty.
	Types []*scim.ResourceType
	// Filter, or nil for all.
	Filter *scim.Filter
	// Sort, or nil for the order of creation, which breaks ties, too.
	Sort *scim.Sort
	// Page of the result. Its StartIndex does not matter where there is a Cursor.
	Page scim.Page
	// Cursor asks for a page by cursor (RFC 9865): the first page where it is empty, else the one after the page that gave it. Nil asks for a page by index.
	Cursor *string
	// MaxScan is how many resources may be looked at for a filter or an order that no index serves; beyond it is 400 tooMany. 0 is no bound.
	MaxScan int
}

// UnavailableError says that the request may succeed later: the API server is away, or others kept changing the same objects. Like a request that times out, it
// may have taken effect nevertheless.
type UnavailableError struct {
	// Err is the 503 for the client.
	Err *scim.Error
	// RetryAfter is when it makes sense to try again.
	RetryAfter time.Duration
}

// Error implements error.
func (e *UnavailableError) Error() string { return e.Err.Error() }

// Unwrap gives the *scim.Error.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Create stores a new resource and gives it back with its id. 409 uniqueness if its userName or displayName is taken.
func (d *Directory) Create(ctx context.Context, r *scim.Resource) (*scim.Resource, error) {
	t := d.of(r.Type())
	obj, err := t.create(ctx, r)
	if err != nil {
		return nil, answer(r.Type(), err)
	}
	d.wrote(ctx, obj)
	// Nobody knows the id yet, so it is in no group.
	created, err := t.resource(ctx, obj, func(attribute string) bool { return attribute != "groups" && d.shows(attribute) })
	return created, answer(r.Type(), err)
}

// Get reads a resource. 404 if there is none with this id.
func (d *Directory) Get(ctx context.Context, rt *scim.ResourceType, id string) (*scim.Resource, error) {
	if rt.InCatalogue() {
		return d.getOffered(ctx, rt, id)
	}
	t := d.of(rt)
	obj, err := d.find(ctx, t, id)
	if err != nil {
		return nil, answer(rt, err)
	}
	return d.show(ctx, t, obj)
}

// Replace does a PUT (RFC 7644 3.5.1) with a resource as scim.ParseResource gives it. What changes nothing writes nothing.
func (d *Directory) Replace(ctx context.Context, id string, r *scim.Resource) (*scim.Resource, error) {
	t := d.of(r.Type())
	obj, err := d.change(ctx, t, id, func(current client.Object) (draft, error) { return t.replaced(ctx, current, r) })
	if err != nil {
		return nil, answer(r.Type(), err)
	}
	return d.show(ctx, t, obj)
}

// Patch does a PATCH (RFC 7644 3.5.2): all of its operations or none. What changes nothing writes nothing.
func (d *Directory) Patch(ctx context.Context, rt *scim.ResourceType, id string, p *scim.Patch) (*scim.Resource, error) {
	t := d.of(rt)
	obj, err := d.change(ctx, t, id, func(current client.Object) (draft, error) { return t.patched(ctx, current, p) })
	if err != nil {
		return nil, answer(rt, err)
	}
	return d.show(ctx, t, obj)
}

// Delete removes a resource from all reads at once and frees its name. Its accounts in the apps are deprovisioned afterwards.
func (d *Directory) Delete(ctx context.Context, rt *scim.ResourceType, id string) error {
	return answer(rt, d.remove(ctx, d.of(rt), id))
}

func (d *Directory) show(ctx context.Context, t resourceType, obj client.Object) (*scim.Resource, error) {
	r, err := t.resource(ctx, obj, d.shows)
	return r, answer(t.scim(), err)
}
