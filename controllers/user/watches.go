// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"context"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/membership"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// concurrency of the reconciler. Each reconcile is some reads of the cache and at most a status write.
const concurrency = 16

// SetupWithManager starts the controller with the manager. What decides about a user's accounts are its groups, the role mappings and the
// apps; a change of one of these brings the users concerned, not all.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, trigger *kube.Trigger) error {
	reconciler := kube.LetGo(r, r.Client, r.Live, &v1alpha1.ScimUser{}, v1alpha1.FinalizerDeprovision, v1alpha1.FinalizerReservation)
	options := controller.Options{MaxConcurrentReconciles: concurrency, RateLimiter: kube.RateLimiter()}
	return kube.Build(mgr, "scimuser", r.Watches(), options, reconciler, trigger.Source())
}

// Watches are the kinds that the controller follows.
func (r *Reconciler) Watches() []kube.Watch {
	w := &watches{cache: r.Client, view: r.View}
	return []kube.Watch{
		kube.Own(&v1alpha1.ScimUser{}, kube.Changed()),
		{Object: &v1alpha1.ScimUser{}, Handler: w.names()},
		{Object: &v1alpha1.ScimUser{}, Handler: w.waiting()},
		{Object: &v1alpha1.ScimGroup{}, Handler: w.groups()},
		{Object: &v1alpha1.ScimRoleMapping{}, Handler: w.mappings()},
		{Object: &v1alpha1.ScimRoleMapping{}, Handler: w.expressions()},
		{Object: &v1alpha1.ScimApp{}, Handler: w.apps()},
	}
}

// watches find the users that a change of another object concerns.
type watches struct {
	cache client.Reader
	view  *desired.View
}

// names: the object by way of which a user had a userName that it has no longer. Deleted itself, it only waited for that.
func (w *watches) names() handler.EventHandler {
	return kube.Handle(func(_ context.Context, before, after *v1alpha1.ScimUser) ([]types.NamespacedName, error) {
		if before == nil {
			return nil, nil
		}
		had := directory.NameHolder(before)
		if had == "" || had == before.Name || (after != nil && directory.NameHolder(after) == had) {
			return nil, nil
		}
		return []types.NamespacedName{{Namespace: before.Namespace, Name: had}}, nil
	})
}

// groups: the members that came or went; all of them when the group itself takes or loses effect. Should a part of the members be gone before it could be compared,
// everybody.
func (w *watches) groups() handler.EventHandler {
	return kube.HandleOr(func(ctx context.Context, before, after *v1alpha1.ScimGroup) ([]types.NamespacedName, error) {
		if before != nil && after != nil && !kube.MetaChanged(before, after) {
			return nil, nil
		}
		members, err := membership.Diff(ctx, w.cache, effective(before), effective(after))
		if err != nil {
			return nil, err
		}
		changed := &v1alpha1.ScimGroup{}
		changed.Spec.Members = members
		if after == nil {
			after = before
		}
		changed.Namespace = after.Namespace
		return w.members(ctx, changed)
	}, w.everybody)
}

// effective is a group that takes effect, nil for one that does not.
func effective(group *v1alpha1.ScimGroup) *v1alpha1.ScimGroup {
	if group == nil || !group.Admitted() || !group.DeletionTimestamp.IsZero() {
		return nil
	}
	return group
}

// members are the users of a group, through member groups too.
func (w *watches) members(ctx context.Context, group *v1alpha1.ScimGroup) ([]types.NamespacedName, error) {
	names, err := w.view.MemberUsers(ctx, group)
	keys := make([]types.NamespacedName, len(names))
	for i, name := range names {
		keys[i] = types.NamespacedName{Namespace: group.Namespace, Name: name}
	}
	return keys, err
}

// mappings: whom the mapping named before or names now.
func (w *watches) mappings() handler.EventHandler {
	return kube.Handle(func(ctx context.Context, before, after *v1alpha1.ScimRoleMapping) ([]types.NamespacedName, error) {
		if before != nil && after != nil && !kube.MetaChanged(before, after) && slices.Equal(before.Status.Groups, after.Status.Groups) {
			return nil, nil
		}
		concerned := map[types.NamespacedName]bool{}
		for _, mapping := range []*v1alpha1.ScimRoleMapping{before, after} {
			if mapping == nil {
				continue
			}
			if err := w.subjects(ctx, mapping, concerned); err != nil {
				return nil, err
			}
		}
		return slices.Collect(maps.Keys(concerned)), nil
	})
}

func (w *watches) subjects(ctx context.Context, mapping *v1alpha1.ScimRoleMapping, into map[types.NamespacedName]bool) error {
	named := &v1alpha1.ScimGroup{}
	named.Namespace = mapping.Namespace
	for _, group := range mapping.Status.Groups {
		named.Spec.Members = append(named.Spec.Members, v1alpha1.GroupMember{Value: group.ID, Type: v1alpha1.MemberTypeGroup})
	}
	members, err := w.members(ctx, named)
	if err != nil {
		return err
	}
	for _, key := range members {
		into[key] = true
	}
	for _, userName := range mapping.Spec.Subjects.Users {
		var users v1alpha1.ScimUserList
		fields := client.MatchingFields{directory.IndexUserName: scim.Fold(userName)}
		if err := w.cache.List(ctx, &users, client.InNamespace(mapping.Namespace), fields, client.UnsafeDisableDeepCopy); err != nil {
			return err
		}
		for i := range users.Items {
			into[client.ObjectKeyFromObject(&users.Items[i])] = true
		}
	}
	return nil
}

// apps: everybody, when what the app wants has changed; that is rare.
func (w *watches) apps() handler.EventHandler {
	return kube.Handle(func(ctx context.Context, before, after *v1alpha1.ScimApp) ([]types.NamespacedName, error) {
		app := after
		if app == nil {
			app = before
		}
		if before != nil && after != nil && !kube.MetaChanged(before, after) {
			return nil, nil
		}
		return w.everybody(ctx, app.Namespace)
	})
}

func (w *watches) everybody(ctx context.Context, namespace string) ([]types.NamespacedName, error) {
	var users v1alpha1.ScimUserList
	if err := w.cache.List(ctx, &users, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	keys := make([]types.NamespacedName, len(users.Items))
	for i := range users.Items {
		keys[i] = client.ObjectKeyFromObject(&users.Items[i])
	}
	return keys, nil
}
