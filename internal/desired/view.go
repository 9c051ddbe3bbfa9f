// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package desired computes the desired state and the next step of each account and each pushed group from the cache and the ledger of
// this process. It reads; it neither writes nor calls an app.
package desired

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/membership"
)

// Indexes of the cache.
const (
	// IndexUserApp finds the ScimUsers that have an account entry of an app, by the app's name.
	IndexUserApp = "status.accounts.app"
	// IndexUserRemote finds the ScimUsers that hold an account, by RemoteKey, and some that hold others.
	IndexUserRemote = "status.accounts.remoteID"
	// IndexGroupApp finds the ScimGroups that have an entry of an app, by the app's name.
	IndexGroupApp = "status.apps.app"
)

// RemoteKey is an account of an app as IndexUserRemote has it.
func RemoteKey(app, remoteID string) string { return kube.Bucket(app + "/" + remoteID) }

// RegisterIndexes adds the indexes of this package to the cache.
func RegisterIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	users := func(each func(v1alpha1.Account) string) client.IndexerFunc {
		return func(obj client.Object) []string {
			user, ok := obj.(*v1alpha1.ScimUser)
			if !ok {
				return nil
			}
			keys := make([]string, 0, len(user.Status.Accounts))
			for _, account := range user.Status.Accounts {
				if key := each(account); key != "" {
					keys = append(keys, key)
				}
			}
			return keys
		}
	}
	byRemote := users(func(account v1alpha1.Account) string {
		if account.RemoteID == "" {
			return ""
		}
		return RemoteKey(account.App, account.RemoteID)
	})
	byGroupApp := func(obj client.Object) []string {
		group, ok := obj.(*v1alpha1.ScimGroup)
		if !ok {
			return nil
		}
		keys := make([]string, 0, len(group.Status.Apps))
		for _, app := range group.Status.Apps {
			keys = append(keys, app.App)
		}
		return keys
	}
	return errors.Join(
		indexer.IndexField(ctx, &v1alpha1.ScimUser{}, IndexUserApp, users(func(account v1alpha1.Account) string { return account.App })),
		indexer.IndexField(ctx, &v1alpha1.ScimUser{}, IndexUserRemote, byRemote),
		indexer.IndexField(ctx, &v1alpha1.ScimGroup{}, IndexGroupApp, byGroupApp),
	)
}

// View computes the desired state and the next steps.
type View struct {
	// Book has the ledgers and pending writes of this process.
	Book *ledger.Book

	cache client.Reader
	// memberships are read from the cache alone: what it lacks is an error.
	memberships *membership.Reader

	mu        sync.Mutex
	apps      map[types.NamespacedName]compiled
	snapshots map[string]snapshot
}

type compiled struct {
	uid        types.UID
	generation int64
	app        *App
	err        error
}

// snapshot is the role mappings of a namespace, compiled. selections are those of its expressions.
type snapshot struct {
	fingerprint string
	mappings    *assignment.Snapshot
	selections  *selections
}

// NewView makes a view of a cache that has the indexes of RegisterIndexes and of the directory.
func NewView(cache client.Reader, book *ledger.Book) *View {
	return &View{
		Book: book, cache: cache, memberships: membership.NewReader(cache, nil),
		apps: map[types.NamespacedName]compiled{}, snapshots: map[string]snapshot{},
	}
}

// compiledApp is a ScimApp made ready, or why it cannot be.
type compiledApp struct {
	app *App
	err error
}

// allApps are the ScimApps of a namespace, compiled.
func (v *View) allApps(ctx context.Context, namespace string) (map[string]*compiledApp, error) {
	var list v1alpha1.ScimAppList
	if err := v.cache.List(ctx, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the apps: %w", err)
	}
	apps := make(map[string]*compiledApp, len(list.Items))
	for i := range list.Items {
		apps[list.Items[i].Name] = v.compile(&list.Items[i])
	}
	return apps, nil
}

// compiled is one ScimApp, nil if there is none.
func (v *View) compiled(ctx context.Context, key types.NamespacedName) (*compiledApp, error) {
	app := &v1alpha1.ScimApp{}
	if err := v.cache.Get(ctx, key, app, client.UnsafeDisableDeepCopy); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return v.compile(app), nil
}

// App is one ScimApp, compiled; nil if there is none. The error is an *InvalidError where it is for a person.
func (v *View) App(ctx context.Context, key types.NamespacedName) (*App, error) {
	compiled, err := v.compiled(ctx, key)
	if compiled == nil || err != nil {
		return nil, err
	}
	return compiled.app, compiled.err
}

// compile keeps what it compiled until the spec changes. The object of the result is the one given: status and metadata move without the spec.
func (v *View) compile(object *v1alpha1.ScimApp) *compiledApp {
	key := client.ObjectKeyFromObject(object)
	have := v.compiledSpec(key, object)
	if have.err != nil {
		return &compiledApp{err: have.err}
	}
	app := *have.app
	app.Object = object
	app.findings = v.Book.Ledger(key).Findings(object.Status.Attributes, app.currentFinding)
	return &compiledApp{app: &app}
}

func (v *View) compiledSpec(key types.NamespacedName, object *v1alpha1.ScimApp) compiled {
	v.mu.Lock()
	defer v.mu.Unlock()
	have, ok := v.apps[key]
	if !ok || have.uid != object.UID || have.generation != object.Generation {
		app, err := CompileApp(object)
		have = compiled{uid: object.UID, generation: object.Generation, app: app, err: err}
		v.apps[key] = have
	}
	return have
}

// ForgetApp drops what was compiled for a deleted ScimApp.
func (v *View) ForgetApp(key types.NamespacedName) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.apps, key)
}

// assignments are the apps that the user has. A user that is not admitted has none.
func (v *View) assignments(ctx context.Context, user *v1alpha1.ScimUser) (map[string]*assignment.Assignment, error) {
	mappings, err := v.mappings(ctx, user.Namespace)
	if err != nil {
		return nil, err
	}
	return v.given(ctx, mappings, user)
}

func (v *View) given(ctx context.Context, from snapshot, user *v1alpha1.ScimUser) (map[string]*assignment.Assignment, error) {
	if !user.Admitted() || !user.IsActive() || !user.DeletionTimestamp.IsZero() {
		// A leaver has no app, also while it is not known which groups it is in.
		return nil, nil
	}
	groups, err := v.GroupsOf(ctx, user.Namespace, user.SCIMID())
	if err != nil {
		return nil, err
	}
	list := from.mappings.ForSelected(user, groups, from.selections.of(from.mappings, user))
	given := make(map[string]*assignment.Assignment, len(list))
	for i := range list {
		given[list[i].App] = &list[i]
	}
	return given, nil
}

// mappings are the role mappings of a namespace, compiled; compiled anew only when one has changed.
func (v *View) mappings(ctx context.Context, namespace string) (snapshot, error) {
	var list v1alpha1.ScimRoleMappingList
	if err := v.cache.List(ctx, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return snapshot{}, fmt.Errorf("listing the role mappings: %w", err)
	}
	versions := make([]string, len(list.Items))
	for i := range list.Items {
		versions[i] = string(list.Items[i].UID) + "@" + list.Items[i].ResourceVersion
	}
	slices.Sort(versions)
	fingerprint := strings.Join(versions, " ")
	v.mu.Lock()
	defer v.mu.Unlock()
	have, ok := v.snapshots[namespace]
	if !ok || have.fingerprint != fingerprint {
		next := snapshot{fingerprint: fingerprint, mappings: have.mappings.Next(list.Items), selections: have.selections}
		if !ok || !next.mappings.SameExpressions(have.mappings) {
			next.selections = newSelections()
		}
		have = next
		v.snapshots[namespace] = have
	}
	return have, nil
}

// SliceVanished has to be called when the cache loses a part of a group's members.
func (v *View) SliceVanished(slice *v1alpha1.ScimGroupSlice) { v.memberships.Vanished(slice) }

// DirectGroupsOf are the groups that have a member themselves: the cache's own, only to be read. membership.ErrIncomplete if the cache does not know all.
func (v *View) DirectGroupsOf(ctx context.Context, namespace, id string) ([]*v1alpha1.ScimGroup, error) {
	return v.memberships.GroupsOf(ctx, namespace, id)
}

// GroupsOf are the SCIM ids of the groups that a member is in, directly or through other groups. membership.ErrIncomplete if the cache does not know all.
func (v *View) GroupsOf(ctx context.Context, namespace, id string) ([]string, error) {
	seen := map[string]bool{}
	var ids []string
	for next := []string{id}; len(next) > 0; {
		member := next[0]
		next = next[1:]
		groups, err := v.memberships.GroupsOf(ctx, namespace, member)
		if err != nil {
			return nil, err
		}
		for _, group := range groups {
			id := group.SCIMID()
			if id == "" || seen[id] || !group.DeletionTimestamp.IsZero() {
				continue
			}
			seen[id] = true
			ids = append(ids, id)
			next = append(next, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}
