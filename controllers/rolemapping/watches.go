// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rolemapping

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/membership"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// Indexes of ScimRoleMappings in the cache.
const (
	indexApp       = "rolemapping.app"       // spec.app
	indexUserName  = "rolemapping.userName"  // folded names in spec.subjects.users
	indexGroupName = "rolemapping.groupName" // folded names in spec.subjects.groups
	indexGroupID   = "rolemapping.groupID"   // ids in status.groups
)

// defaultCountDelay gathers changes of memberships: counters in a status move at most every ten seconds.
const defaultCountDelay = 10 * time.Second

// SetupWithManager adds the indexes and starts the controller with the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, schedule kube.Schedule) error {
	if err := RegisterIndexes(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return fmt.Errorf("indexing ScimRoleMappings: %w", err)
	}
	return kube.Build(mgr, "scimrolemapping", r.Watches(), controller.Options{}, r.Wrapped(), r.Resync(schedule))
}

// Resync enqueues all role mappings, and has their expressions evaluated for all users.
func (r *Reconciler) Resync(schedule kube.Schedule) *kube.Resync {
	return &kube.Resync{
		Cache: r.Client, Schedule: schedule.First(), Kind: &v1alpha1.ScimRoleMappingList{}, Known: r.tallies.keys, Before: r.tallies.recount,
	}
}

// Watches are the kinds that the controller follows. It is called once, before the first Reconcile.
func (r *Reconciler) Watches() []kube.Watch {
	if r.countDelay == 0 {
		r.countDelay = defaultCountDelay
	}
	r.memberships = membership.NewReader(r.Client, nil)
	when := func(p predicate.Predicate) []predicate.Predicate { return []predicate.Predicate{p} }
	own := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, onUpdate(followsOthers))
	return []kube.Watch{
		kube.Own(&v1alpha1.ScimRoleMapping{}, own),
		{Object: &v1alpha1.ScimRoleMapping{}, Handler: now(r, r.siblings), Predicates: when(onUpdate(mappingChanged))},
		{Object: &v1alpha1.ScimApp{}, Handler: now(r, r.ofApp), Predicates: when(predicate.GenerationChangedPredicate{})},
		{Object: &v1alpha1.ScimGroup{}, Handler: now(r, r.namingGroup), Predicates: when(onUpdate(groupChanged))},
		{Object: &v1alpha1.ScimGroup{}, Handler: later(r, r.throughGroup), Predicates: when(onUpdate(membersChanged))},
		{Object: &v1alpha1.ScimGroupSlice{}, Handler: later(r, r.ofSlice), Predicates: when(predicate.GenerationChangedPredicate{})},
		{Object: &v1alpha1.ScimUser{}, Handler: now(r, r.namingUser), Predicates: when(onUpdate(userChanged))},
		{Object: &v1alpha1.ScimUser{}, Handler: later(r, r.throughMember), Predicates: when(onUpdate(userChanged))},
		{Object: &v1alpha1.ScimUser{}, Handler: later(r, r.selecting), Predicates: when(predicate.GenerationChangedPredicate{})},
	}
}

// Wrapped is the reconciler as the controller runs it: with sweeps.
func (r *Reconciler) Wrapped() reconcile.Reconciler {
	return r.sweeps().Reconciler(kube.ReportFailures(r, r.Client, r.Clock, &v1alpha1.ScimRoleMapping{}, membership.Explain))
}

// sweeps re-evaluates all role mappings of a namespace.
func (r *Reconciler) sweeps() *kube.Sweeper {
	if r.sweeper == nil {
		r.sweeper = kube.NewSweeper(r.Client, r.Clock, "role mappings", &v1alpha1.ScimRoleMappingList{})
	}
	return r.sweeper
}

// RegisterIndexes adds the indexes of this package to the cache.
func RegisterIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	index := func(field string, values func(*v1alpha1.ScimRoleMapping) []string) error {
		return indexer.IndexField(ctx, &v1alpha1.ScimRoleMapping{}, field, func(obj client.Object) []string {
			m, ok := obj.(*v1alpha1.ScimRoleMapping)
			if !ok {
				return nil
			}
			return values(m)
		})
	}
	return errors.Join(
		index(indexApp, func(m *v1alpha1.ScimRoleMapping) []string {
			return specs(m, func(s *v1alpha1.ScimRoleMappingSpec) []string { return []string{s.App} })
		}),
		index(indexUserName, func(m *v1alpha1.ScimRoleMapping) []string {
			return folded(specs(m, func(s *v1alpha1.ScimRoleMappingSpec) []string { return s.Subjects.Users }))
		}),
		index(indexGroupName, func(m *v1alpha1.ScimRoleMapping) []string {
			return folded(specs(m, func(s *v1alpha1.ScimRoleMappingSpec) []string { return s.Subjects.Groups }))
		}),
		index(indexGroupID, func(m *v1alpha1.ScimRoleMapping) []string {
			ids := make([]string, len(m.Status.Groups))
			for i, g := range m.Status.Groups {
				ids[i] = g.ID
			}
			return ids
		}),
	)
}

// specs are the values of the present spec, of the one in force and of the one before edits that are held, each once.
func specs(m *v1alpha1.ScimRoleMapping, values func(*v1alpha1.ScimRoleMappingSpec) []string) []string {
	all := slices.Clone(values(&m.Spec))
	for _, version := range assignment.Versions(m) {
		all = append(all, values(&version.Spec)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func folded(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = scim.Fold(name)
	}
	return out
}

// onUpdate lets every create and delete through, and those updates that change something.
func onUpdate[T client.Object](changed func(before, after T) bool) predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok1 := e.ObjectOld.(T)
		after, ok2 := e.ObjectNew.(T)
		return ok1 && ok2 && (changed(before, after) || before.GetDeletionTimestamp().IsZero() != after.GetDeletionTimestamp().IsZero())
	}}
}

// mappingChanged is whether other mappings may tie with this one now, or no longer.
func mappingChanged(before, after *v1alpha1.ScimRoleMapping) bool {
	return !assignment.SameInForce(before, after) || followsOthers(before, after) ||
		readyReason(before) != readyReason(after)
}

// followsOthers is whether the mapping follows other groups than before. It is counted again then: a change of members that came before the cache showed which
// groups are followed found no mapping to count.
func followsOthers(before, after *v1alpha1.ScimRoleMapping) bool {
	return !equality.Semantic.DeepEqual(before.Status.Groups, after.Status.Groups)
}

func readyReason(m *v1alpha1.ScimRoleMapping) string {
	if ready := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		return ready.Reason + ready.Message
	}
	return ""
}

func groupChanged(before, after *v1alpha1.ScimGroup) bool {
	return before.Spec.DisplayName != after.Spec.DisplayName || before.SCIMID() != after.SCIMID()
}

func membersChanged(before, after *v1alpha1.ScimGroup) bool {
	return !membership.Same(before, after)
}

func userChanged(before, after *v1alpha1.ScimUser) bool {
	return before.Spec.UserName != after.Spec.UserName || before.SCIMID() != after.SCIMID()
}

// now makes a handler that enqueues the mappings that a change concerns: those that are found for the object before it, and those that are found for it after.
func now[T object](r *Reconciler, find func(context.Context, T) ([]types.NamespacedName, error)) handler.EventHandler {
	return kube.Handle(r.sweeps(), func(ctx context.Context, before, after T) ([]types.NamespacedName, error) {
		var none T
		var keys []types.NamespacedName
		for _, version := range []T{before, after} {
			if version == none {
				continue
			}
			found, err := find(ctx, version)
			if err != nil {
				return nil, err
			}
			keys = append(keys, found...)
		}
		return keys, nil
	})
}

// later makes a handler that enqueues the mappings that are found for an object after countDelay, so that many changes become one reconcile.
func later[T object](r *Reconciler, find func(context.Context, T) ([]types.NamespacedName, error)) handler.EventHandler {
	return kube.HandleAfter(r.sweeps(), r.countDelay, func(ctx context.Context, before, after T) ([]types.NamespacedName, error) {
		var none T
		if after == none {
			return find(ctx, before)
		}
		return find(ctx, after)
	})
}

// object is a pointer to an object of the API.
type object interface {
	comparable
	client.Object
}

// siblings are the other mappings of the same app.
func (r *Reconciler) siblings(ctx context.Context, m *v1alpha1.ScimRoleMapping) ([]types.NamespacedName, error) {
	keys, err := r.find(ctx, m.Namespace, indexApp, assignment.InForce(m).Spec.App)
	return slices.DeleteFunc(keys, func(key types.NamespacedName) bool { return key.Name == m.Name }), err
}

func (r *Reconciler) ofApp(ctx context.Context, app *v1alpha1.ScimApp) ([]types.NamespacedName, error) {
	return r.find(ctx, app.Namespace, indexApp, app.Name)
}

// namingGroup are the mappings that name the group, or follow it.
func (r *Reconciler) namingGroup(ctx context.Context, group *v1alpha1.ScimGroup) ([]types.NamespacedName, error) {
	named, err := r.find(ctx, group.Namespace, indexGroupName, scim.Fold(group.Spec.DisplayName))
	if err != nil {
		return nil, err
	}
	following, err := r.find(ctx, group.Namespace, indexGroupID, group.SCIMID())
	return append(named, following...), err
}

func (r *Reconciler) namingUser(ctx context.Context, user *v1alpha1.ScimUser) ([]types.NamespacedName, error) {
	if !user.Admitted() {
		return nil, nil
	}
	return r.find(ctx, user.Namespace, indexUserName, scim.Fold(user.Spec.UserName))
}

// throughGroup are the mappings that follow the group or one in which it is nested.
func (r *Reconciler) throughGroup(ctx context.Context, group *v1alpha1.ScimGroup) ([]types.NamespacedName, error) {
	return r.through(ctx, group.Namespace, group.SCIMID())
}

// throughMember are the mappings that give the user the app through a group.
func (r *Reconciler) throughMember(ctx context.Context, user *v1alpha1.ScimUser) ([]types.NamespacedName, error) {
	if !user.Admitted() {
		return nil, nil
	}
	return r.through(ctx, user.Namespace, user.SCIMID())
}

// selecting are the mappings that have an expression, which is evaluated again for this user.
func (r *Reconciler) selecting(_ context.Context, user *v1alpha1.ScimUser) ([]types.NamespacedName, error) {
	return r.tallies.touch(user.Namespace, user.Name), nil
}

// ofSlice are the mappings that follow the group of a slice that appears or vanishes while the group names it, or one in which the group is nested.
func (r *Reconciler) ofSlice(ctx context.Context, slice *v1alpha1.ScimGroupSlice) ([]types.NamespacedName, error) {
	// The cached membership of the group is out of date.
	r.memberships.Vanished(slice)
	group := &v1alpha1.ScimGroup{}
	key := types.NamespacedName{Namespace: slice.Namespace, Name: slice.Spec.Group}
	if err := r.Client.Get(ctx, key, group, client.UnsafeDisableDeepCopy); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if named, err := membership.Names(ctx, r.Client, slice); err != nil || !named {
		return nil, err
	}
	return r.throughGroup(ctx, group)
}

// through are the mappings that follow the member itself, if it is a group, or a group that it is in.
func (r *Reconciler) through(ctx context.Context, namespace, member string) ([]types.NamespacedName, error) {
	var keys []types.NamespacedName
	seen := map[string]bool{"": true}
	for next := []string{member}; len(next) > 0; {
		id := next[0]
		next = next[1:]
		if seen[id] {
			continue
		}
		seen[id] = true
		following, err := r.find(ctx, namespace, indexGroupID, id)
		if err != nil {
			return nil, err
		}
		keys = append(keys, following...)
		groups, err := r.memberships.GroupsOf(ctx, namespace, id)
		if err != nil {
			return nil, err
		}
		for _, group := range groups {
			next = append(next, group.SCIMID())
		}
	}
	return keys, nil
}

// find is the mappings with a value in an index.
func (r *Reconciler) find(ctx context.Context, namespace, index, value string) ([]types.NamespacedName, error) {
	var list v1alpha1.ScimRoleMappingList
	err := r.Client.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{index: value}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("listing role mappings: %w", err)
	}
	keys := make([]types.NamespacedName, len(list.Items))
	for i := range list.Items {
		keys[i] = client.ObjectKeyFromObject(&list.Items[i])
	}
	return keys, nil
}
