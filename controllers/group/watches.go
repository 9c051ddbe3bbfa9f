// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"context"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/membership"
)

const concurrency = 8

// SetupWithManager starts the controller with the manager. A pushed group changes with its members' accounts and with what the apps list.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, trigger *kube.Trigger, schedule kube.Schedule) error {
	options := controller.Options{MaxConcurrentReconciles: concurrency, RateLimiter: kube.RateLimiter()}
	return kube.Build(mgr, "scimgroup", r.Watches(), options, r.Wrapped(), r.Resync(schedule), trigger)
}

// Resync enqueues all groups.
func (r *Reconciler) Resync(schedule kube.Schedule) *kube.Resync {
	return &kube.Resync{Cache: r.Client, Schedule: schedule.First(), Kind: &v1alpha1.ScimGroupList{}}
}

// Wrapped is the reconciler as the controller runs it: with sweeps, and with finalizer cleanup in deleted namespaces.
func (r *Reconciler) Wrapped() reconcile.Reconciler {
	reported := kube.ReportFailures(r, r.Client, r.Clock, &v1alpha1.ScimGroup{}, membership.Explain)
	return r.sweeps().Reconciler(kube.LetGo(reported, r.Client, r.Live, &v1alpha1.ScimGroup{}, v1alpha1.FinalizerDeprovision))
}

// sweeps re-evaluates all groups of a namespace.
func (r *Reconciler) sweeps() *kube.Sweeper {
	if r.sweeper == nil {
		r.sweeper = kube.NewSweeper(r.Client, r.Clock, "groups", &v1alpha1.ScimGroupList{})
	}
	return r.sweeper
}

// Watches are the kinds that the controller follows.
func (r *Reconciler) Watches() []kube.Watch {
	return []kube.Watch{
		kube.Own(&v1alpha1.ScimGroup{}, kube.Changed()),
		{Object: &v1alpha1.ScimGroup{}, Handler: r.parents()},
		{Object: &v1alpha1.ScimGroup{}, Handler: r.waiting()},
		{Object: &v1alpha1.ScimGroup{}, Handler: kube.Deleted(r.forget)},
		{Object: &v1alpha1.ScimGroupSlice{}, Handler: r.slices()},
		{Object: &v1alpha1.ScimUser{}, Handler: r.users()},
		{Object: &v1alpha1.ScimApp{}, Handler: r.apps()},
	}
}

// parents: the groups of which a group is a member; its members are theirs.
func (r *Reconciler) parents() handler.EventHandler {
	return kube.Handle(r.sweeps(), func(ctx context.Context, before, after *v1alpha1.ScimGroup) ([]types.NamespacedName, error) {
		if before != nil && after != nil && !kube.MetaChanged(before, after) {
			return nil, nil
		}
		if after == nil {
			after = before
		}
		ids, err := r.View.GroupsOf(ctx, after.Namespace, after.SCIMID())
		return keysOf(after.Namespace, ids), err
	})
}

// slices: the group of a slice that appears or vanishes while the group names it. It could not be evaluated without the slice.
func (r *Reconciler) slices() handler.EventHandler {
	return kube.Handle(r.sweeps(), func(ctx context.Context, before, after *v1alpha1.ScimGroupSlice) ([]types.NamespacedName, error) {
		if before != nil && after != nil {
			// The members of a slice do not change.
			return nil, nil
		}
		slice := after
		if slice == nil {
			slice = before
		}
		named, err := membership.Names(ctx, r.Client, slice)
		if err != nil || !named {
			return nil, err
		}
		return []types.NamespacedName{{Namespace: slice.Namespace, Name: slice.Spec.Group}}, nil
	})
}

// users: the groups of a user whose existence or accounts changed.
func (r *Reconciler) users() handler.EventHandler {
	return kube.Handle(r.sweeps(), func(ctx context.Context, before, after *v1alpha1.ScimUser) ([]types.NamespacedName, error) {
		if maps.Equal(presence(before), presence(after)) {
			return nil, nil
		}
		if after == nil {
			after = before
		}
		ids, err := r.View.GroupsOf(ctx, after.Namespace, after.SCIMID())
		return keysOf(after.Namespace, ids), err
	})
}

// presence is what groups need to know of a user: that it exists, and which accounts are active.
func presence(user *v1alpha1.ScimUser) map[string]string {
	if user == nil || !user.Admitted() {
		return nil
	}
	active := map[string]string{"": user.SCIMID()}
	if !user.DeletionTimestamp.IsZero() {
		active[""] = "deleted"
	}
	for i := range user.Status.Accounts {
		if account := &user.Status.Accounts[i]; account.State == v1alpha1.AccountActive {
			active[account.App] = account.RemoteID
		}
	}
	return active
}

func keysOf(namespace string, ids []string) []types.NamespacedName {
	var keys []types.NamespacedName
	for _, id := range ids {
		if name, _, ok := v1alpha1.SplitSCIMID(id); ok {
			keys = append(keys, types.NamespacedName{Namespace: namespace, Name: name})
		}
	}
	return keys
}

// apps: the groups that an app listed before or lists now, and those that it has.
func (r *Reconciler) apps() handler.EventHandler {
	return kube.Handle(r.sweeps(), func(ctx context.Context, before, after *v1alpha1.ScimApp) ([]types.NamespacedName, error) {
		if before != nil && after != nil && !kube.MetaChanged(before, after) && slices.Equal(before.Status.Groups, after.Status.Groups) {
			return nil, nil
		}
		var keys []types.NamespacedName
		for _, app := range []*v1alpha1.ScimApp{before, after} {
			if app == nil {
				continue
			}
			for _, group := range app.Status.Groups {
				keys = append(keys, keysOf(app.Namespace, []string{group.ID})...)
			}
			var have v1alpha1.ScimGroupList
			fields := client.MatchingFields{desired.IndexGroupApp: app.Name}
			if err := r.Client.List(ctx, &have, client.InNamespace(app.Namespace), fields, client.UnsafeDisableDeepCopy); err != nil {
				return nil, err
			}
			for i := range have.Items {
				keys = append(keys, client.ObjectKeyFromObject(&have.Items[i]))
			}
		}
		return keys, nil
	})
}
