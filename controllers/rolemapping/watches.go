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
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
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
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	if err := RegisterIndexes(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return fmt.Errorf("indexing ScimRoleMappings: %w", err)
	}
	return kube.Build(mgr, "scimrolemapping", r.Watches(), controller.Options{}, r)
}

// Watches are the kinds that the controller follows. It is called once, before the first Reconcile.
func (r *Reconciler) Watches() []kube.Watch {
	if r.countDelay == 0 {
		r.countDelay = defaultCountDelay
	}
	r.memberships = membership.NewReader(r.Client, nil)
	now := handler.EnqueueRequestsFromMapFunc
	when := func(p ...predicate.Predicate) []predicate.Predicate { return p }
	return []kube.Watch{
		kube.Own(&v1alpha1.ScimRoleMapping{},
			predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, onUpdate(followsOthers))),
		{Object: &v1alpha1.ScimRoleMapping{}, Handler: now(r.siblings), Predicates: when(onUpdate(mappingChanged))},
		{Object: &v1alpha1.ScimApp{}, Handler: now(r.ofApp), Predicates: when(predicate.GenerationChangedPredicate{})},
		{Object: &v1alpha1.ScimGroup{}, Handler: now(r.namingGroup), Predicates: when(onUpdate(groupChanged))},
		{Object: &v1alpha1.ScimGroup{}, Handler: r.later(r.throughGroup), Predicates: when(onUpdate(membersChanged))},
		{Object: &v1alpha1.ScimUser{}, Handler: now(r.namingUser), Predicates: when(onUpdate(userChanged))},
		{Object: &v1alpha1.ScimUser{}, Handler: r.later(r.throughMember), Predicates: when(onUpdate(userChanged))},
		{Object: &v1alpha1.ScimUser{}, Handler: r.later(r.selecting), Predicates: when(predicate.GenerationChangedPredicate{})},
	}
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
		index(indexApp, func(m *v1alpha1.ScimRoleMapping) []string { return []string{m.Spec.App} }),
		index(indexUserName, func(m *v1alpha1.ScimRoleMapping) []string { return folded(m.Spec.Subjects.Users) }),
		index(indexGroupName, func(m *v1alpha1.ScimRoleMapping) []string { return folded(m.Spec.Subjects.Groups) }),
		index(indexGroupID, func(m *v1alpha1.ScimRoleMapping) []string {
			ids := make([]string, len(m.Status.Groups))
			for i, g := range m.Status.Groups {
				ids[i] = g.ID
			}
			return ids
		}),
	)
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
	return before.Generation != after.Generation || followsOthers(before, after) ||
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

// later asks for a reconcile after countDelay. What is asked for meanwhile is one reconcile.
func (r *Reconciler) later(mappings handler.MapFunc) handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	add := func(ctx context.Context, obj client.Object, q queue) {
		for _, request := range mappings(ctx, obj) {
			q.AddAfter(request, r.countDelay)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { add(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { add(ctx, e.ObjectNew, q) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { add(ctx, e.Object, q) },
	}
}

// siblings are the other mappings of the same app.
func (r *Reconciler) siblings(ctx context.Context, obj client.Object) []reconcile.Request {
	m, ok := obj.(*v1alpha1.ScimRoleMapping)
	if !ok {
		return nil
	}
	return slices.DeleteFunc(r.find(ctx, m.Namespace, indexApp, m.Spec.App), func(request reconcile.Request) bool { return request.Name == m.Name })
}

func (r *Reconciler) ofApp(ctx context.Context, app client.Object) []reconcile.Request {
	return r.find(ctx, app.GetNamespace(), indexApp, app.GetName())
}

// namingGroup are the mappings that name the group, or follow it.
func (r *Reconciler) namingGroup(ctx context.Context, obj client.Object) []reconcile.Request {
	group, ok := obj.(*v1alpha1.ScimGroup)
	if !ok {
		return nil
	}
	return slices.Concat(
		r.find(ctx, group.Namespace, indexGroupName, scim.Fold(group.Spec.DisplayName)),
		r.find(ctx, group.Namespace, indexGroupID, group.SCIMID()),
	)
}

func (r *Reconciler) namingUser(ctx context.Context, obj client.Object) []reconcile.Request {
	user, ok := obj.(*v1alpha1.ScimUser)
	if !ok || !user.Admitted() {
		return nil
	}
	return r.find(ctx, user.Namespace, indexUserName, scim.Fold(user.Spec.UserName))
}

// throughGroup are the mappings that follow the group or one in which it is nested.
func (r *Reconciler) throughGroup(ctx context.Context, obj client.Object) []reconcile.Request {
	group, ok := obj.(*v1alpha1.ScimGroup)
	if !ok {
		return nil
	}
	return r.through(ctx, group.Namespace, group.SCIMID())
}

// throughMember are the mappings that give the user the app through a group.
func (r *Reconciler) throughMember(ctx context.Context, obj client.Object) []reconcile.Request {
	user, ok := obj.(*v1alpha1.ScimUser)
	if !ok || !user.Admitted() {
		return nil
	}
	return r.through(ctx, user.Namespace, user.SCIMID())
}

// selecting are the mappings that have an expression, which is evaluated again for this user.
func (r *Reconciler) selecting(_ context.Context, user client.Object) []reconcile.Request {
	return r.tallies.touch(user.GetNamespace(), user.GetName())
}

// through are the mappings that follow the member itself, if it is a group, or a group that it is in.
func (r *Reconciler) through(ctx context.Context, namespace, member string) []reconcile.Request {
	var requests []reconcile.Request
	seen := map[string]bool{"": true}
	for next := []string{member}; len(next) > 0; {
		id := next[0]
		next = next[1:]
		if seen[id] {
			continue
		}
		seen[id] = true
		requests = append(requests, r.find(ctx, namespace, indexGroupID, id)...)
		groups, err := r.memberships.GroupsOf(ctx, namespace, id)
		if err != nil {
			// It may concern any of them. They are counted a while after; the cache is complete by then, or they are tried again.
			return r.all(ctx, namespace)
		}
		for _, group := range groups {
			next = append(next, group.SCIMID())
		}
	}
	return requests
}

// all are the mappings of a namespace.
func (r *Reconciler) all(ctx context.Context, namespace string) []reconcile.Request {
	return r.list(ctx, client.InNamespace(namespace))
}

// find is the mappings with a value in an index.
func (r *Reconciler) find(ctx context.Context, namespace, index, value string) []reconcile.Request {
	return r.list(ctx, client.InNamespace(namespace), client.MatchingFields{index: value})
}

func (r *Reconciler) list(ctx context.Context, which ...client.ListOption) []reconcile.Request {
	var list v1alpha1.ScimRoleMappingList
	if err := r.Client.List(ctx, &list, append(which, client.UnsafeDisableDeepCopy)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Cannot list ScimRoleMappings")
		return nil
	}
	requests := make([]reconcile.Request, len(list.Items))
	for i := range list.Items {
		requests[i].NamespacedName = client.ObjectKeyFromObject(&list.Items[i])
	}
	return requests
}
