// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"context"
	"errors"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
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
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, trigger *kube.Trigger, schedule kube.Schedule) error {
	options := controller.Options{MaxConcurrentReconciles: concurrency, RateLimiter: kube.RateLimiter()}
	return kube.Build(mgr, "scimuser", r.Watches(), options, r.Wrapped(), r.Resync(schedule), trigger)
}

// Resync enqueues all users.
func (r *Reconciler) Resync(schedule kube.Schedule) *kube.Resync {
	return &kube.Resync{Cache: r.Client, Schedule: schedule.Last(), Kind: &v1alpha1.ScimUserList{}}
}

// Wrapped is the reconciler as the controller runs it: with sweeps, and with finalizer cleanup in deleted namespaces.
func (r *Reconciler) Wrapped() reconcile.Reconciler {
	reported := kube.ReportFailures(r, r.Client, r.Clock, &v1alpha1.ScimUser{}, membership.Explain)
	cleanup := kube.LetGo(reported, r.Client, r.Live, &v1alpha1.ScimUser{}, v1alpha1.FinalizerDeprovision, v1alpha1.FinalizerReservation)
	return r.sweeps().Reconciler(cleanup)
}

// sweeps re-evaluates all users of a namespace.
func (r *Reconciler) sweeps() *kube.Sweeper {
	if r.sweeper == nil {
		r.sweeper = kube.NewSweeper(r.Client, r.Clock, "users", &v1alpha1.ScimUserList{})
	}
	return r.sweeper
}

// Watches are the kinds that the controller follows.
func (r *Reconciler) Watches() []kube.Watch {
	w := &watches{cache: r.Client, view: r.View, sweeper: r.sweeps()}
	own := kube.Own(&v1alpha1.ScimUser{}, kube.Changed())
	own.MayWait = mayWait
	return []kube.Watch{
		own,
		{Object: &v1alpha1.ScimUser{}, Handler: w.names()},
		{Object: &v1alpha1.ScimUser{}, Handler: w.waiting()},
		{Object: &v1alpha1.ScimUser{}, Handler: kube.Deleted(r.forget)},
		{Object: &v1alpha1.ScimGroup{}, Handler: w.groups()},
		{Object: &v1alpha1.ScimGroupSlice{}, Handler: w.slices()},
		{Object: &v1alpha1.ScimRoleMapping{}, Handler: w.mappings()},
		{Object: &v1alpha1.ScimRoleMapping{}, Handler: w.expressions()},
		{Object: &v1alpha1.ScimApp{}, Handler: w.apps()},
	}
}

// mayWait reports whether a user that is there at the start may wait for new changes: one who leaves may not.
func mayWait(object client.Object) bool {
	user, ok := object.(*v1alpha1.ScimUser)
	return ok && user.IsActive() && user.DeletionTimestamp.IsZero()
}

// watches find the users that a change of another object concerns.
type watches struct {
	cache client.Reader
	view  *desired.View
	// sweeper re-evaluates all users of a namespace, for a change of which the users concerned are not known.
	sweeper *kube.Sweeper
}

// names: the object by way of which a user had a userName that it has no longer. Deleted itself, it only waited for that.
func (w *watches) names() handler.EventHandler {
	return kube.Handle(w.sweeper, func(_ context.Context, before, after *v1alpha1.ScimUser) ([]types.NamespacedName, error) {
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

// groups: the members that were added or removed; all of them when the group itself takes or loses effect.
func (w *watches) groups() handler.EventHandler {
	return kube.Handle(w.sweeper, func(ctx context.Context, before, after *v1alpha1.ScimGroup) ([]types.NamespacedName, error) {
		if before != nil && after != nil && !kube.MetaChanged(before, after) {
			return nil, nil
		}
		changed, err := membership.Diff(ctx, w.cache, effective(before), effective(after))
		if errors.Is(err, membership.ErrIncomplete) {
			changed, err = w.replaced(ctx, effective(before), effective(after))
		}
		if err != nil {
			return nil, err
		}
		group := after
		if group == nil {
			group = before
		}
		return w.members(ctx, group.Namespace, changed)
	})
}

// replaced gives the members in those slices of a group that only one of its versions has. Slices of the later version that the cache does not have yet are left
// out: each enqueues its members when it appears. One of the earlier version that is missing is an error.
func (w *watches) replaced(ctx context.Context, before, after *v1alpha1.ScimGroup) ([]v1alpha1.GroupMember, error) {
	all, err := membership.Of(ctx, w.cache, without(before, after))
	if err != nil {
		return nil, err
	}
	members := slices.Collect(all.All())
	rest := without(after, before)
	members = append(members, rest.Spec.Members...)
	for _, slice := range rest.Spec.Slices {
		alone := &v1alpha1.ScimGroup{}
		alone.Namespace, alone.Spec.Slices = rest.Namespace, []v1alpha1.GroupSlice{slice}
		all, err := membership.Of(ctx, w.cache, alone)
		if err != nil && !errors.Is(err, membership.ErrIncomplete) {
			return nil, err
		}
		members = slices.AppendSeq(members, all.All())
	}
	return members, nil
}

// without is a version of a group, nil for none, without the slices that the other version has too.
func without(group, other *v1alpha1.ScimGroup) *v1alpha1.ScimGroup {
	rest := &v1alpha1.ScimGroup{}
	if group == nil {
		return rest
	}
	rest.Namespace, rest.Spec.Members = group.Namespace, group.Spec.Members
	for _, slice := range group.Spec.Slices {
		if other == nil || !slices.Contains(other.Spec.Slices, slice) {
			rest.Spec.Slices = append(rest.Spec.Slices, slice)
		}
	}
	return rest
}

// slices: the members of a slice that appears or vanishes while its group names it. They could not be evaluated without it.
func (w *watches) slices() handler.EventHandler {
	return kube.Handle(w.sweeper, func(ctx context.Context, before, after *v1alpha1.ScimGroupSlice) ([]types.NamespacedName, error) {
		if before != nil && after != nil {
			// The members of a slice do not change.
			return nil, nil
		}
		slice := after
		if slice == nil {
			slice = before
			// The view has to forget the group's membership before the members are evaluated.
			w.view.SliceVanished(slice)
		}
		named, err := membership.Names(ctx, w.cache, slice)
		if err != nil || !named {
			return nil, err
		}
		return w.members(ctx, slice.Namespace, slice.Spec.Members)
	})
}

// effective is a group that takes effect, nil for one that does not.
func effective(group *v1alpha1.ScimGroup) *v1alpha1.ScimGroup {
	if group == nil || !group.Admitted() || !group.DeletionTimestamp.IsZero() {
		return nil
	}
	return group
}

// members are the users among the members of a group, and those of its member groups.
func (w *watches) members(ctx context.Context, namespace string, members []v1alpha1.GroupMember) ([]types.NamespacedName, error) {
	group := &v1alpha1.ScimGroup{}
	group.Namespace, group.Spec.Members = namespace, members
	names, err := w.view.MemberUsers(ctx, group)
	keys := make([]types.NamespacedName, len(names))
	for i, name := range names {
		keys[i] = types.NamespacedName{Namespace: namespace, Name: name}
	}
	return keys, err
}

// mappings: whom the mapping named before or names now, with the spec that is in force.
func (w *watches) mappings() handler.EventHandler {
	return kube.Handle(w.sweeper, func(ctx context.Context, before, after *v1alpha1.ScimRoleMapping) ([]types.NamespacedName, error) {
		if before != nil && after != nil && !inForceChanged(before, after) && slices.Equal(before.Status.Groups, after.Status.Groups) {
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

// inForceChanged reports whether the spec of a mapping that is in force has changed, or the mapping is deleted. The present spec takes effect once it is accepted.
func inForceChanged(before, after *v1alpha1.ScimRoleMapping) bool {
	return before.UID != after.UID || before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() || !assignment.SameInForce(before, after)
}

func (w *watches) subjects(ctx context.Context, mapping *v1alpha1.ScimRoleMapping, into map[types.NamespacedName]bool) error {
	named := make([]v1alpha1.GroupMember, len(mapping.Status.Groups))
	for i, group := range mapping.Status.Groups {
		named[i] = v1alpha1.GroupMember{Value: group.ID, Type: v1alpha1.MemberTypeGroup}
	}
	members, err := w.members(ctx, mapping.Namespace, named)
	if err != nil {
		return err
	}
	for _, key := range members {
		into[key] = true
	}
	var userNames []string
	for _, version := range assignment.Versions(mapping) {
		userNames = append(userNames, version.Spec.Subjects.Users...)
	}
	for _, userName := range userNames {
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
	return kube.Handle(w.sweeper, func(ctx context.Context, before, after *v1alpha1.ScimApp) ([]types.NamespacedName, error) {
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
