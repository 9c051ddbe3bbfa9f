// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// concurrency of the reconciler, which waits for the API server alone.
const concurrency = 8

// SetupWithManager starts the controller with the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, trigger *kube.Trigger, schedule kube.Schedule) error {
	if err := r.addProber(mgr); err != nil {
		return err
	}
	options := controller.Options{MaxConcurrentReconciles: concurrency, RateLimiter: kube.RateLimiter()}
	return kube.Build(mgr, "scimapp", r.Watches(), options, r.Wrapped(), r.Resync(schedule), trigger)
}

// Resync enqueues all apps, and those that this process runs: the deletion of a ScimApp may have been missed.
func (r *Reconciler) Resync(schedule kube.Schedule) *kube.Resync {
	return &kube.Resync{Cache: r.Client, Schedule: schedule.First(), Kind: &v1alpha1.ScimAppList{}, Known: r.connected}
}

// connected are the apps of which this process knows a connection.
func (r *Reconciler) connected() []types.NamespacedName {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.known))
}

// Wrapped is the reconciler as the controller runs it: with sweeps, and with finalizer cleanup in deleted namespaces.
func (r *Reconciler) Wrapped() reconcile.Reconciler {
	reported := kube.ReportFailures(r, r.Client, r.Clock, &v1alpha1.ScimApp{}, nil)
	return r.sweeps().Reconciler(kube.LetGo(reported, r.Client, r.Live, &v1alpha1.ScimApp{}, v1alpha1.FinalizerDeprovision))
}

// sweeps re-evaluates all apps of a namespace.
func (r *Reconciler) sweeps() *kube.Sweeper {
	if r.sweeper == nil {
		r.sweeper = kube.NewSweeper(r.Client, r.Clock, "apps", &v1alpha1.ScimAppList{})
	}
	return r.sweeper
}

// Watches are the kinds that the controller follows.
func (r *Reconciler) Watches() []kube.Watch {
	return []kube.Watch{
		kube.Own(&v1alpha1.ScimApp{}, kube.Changed()),
		{Object: &corev1.Secret{}, Handler: r.secrets()},
		{Object: &v1alpha1.ScimGroup{}, Handler: r.pushed()},
	}
}

// secrets: the apps that read a Secret; a changed one is tested at once (S124).
func (r *Reconciler) secrets() handler.EventHandler {
	return kube.Handle(r.sweeps(), func(ctx context.Context, before, after *corev1.Secret) ([]types.NamespacedName, error) {
		secret := after
		if secret == nil {
			secret = before
		}
		return r.appsThat(ctx, secret.Namespace, func(app *v1alpha1.ScimApp) bool {
			ca := app.Spec.SCIM.CA
			return app.Spec.SCIM.Token.Name == secret.Name || (ca != nil && ca.Name == secret.Name)
		})
	})
}

// pushed: the apps that list groups, when a group comes, goes or has another name.
func (r *Reconciler) pushed() handler.EventHandler {
	return kube.Handle(r.sweeps(), func(ctx context.Context, before, after *v1alpha1.ScimGroup) ([]types.NamespacedName, error) {
		if identity(before) == identity(after) {
			return nil, nil
		}
		if after == nil {
			after = before
		}
		return r.appsThat(ctx, after.Namespace, func(app *v1alpha1.ScimApp) bool { return len(app.Spec.Groups) > 0 })
	})
}

func identity(group *v1alpha1.ScimGroup) string {
	if group == nil || !group.Admitted() || !group.DeletionTimestamp.IsZero() {
		return ""
	}
	return group.SCIMID() + " " + group.Spec.DisplayName
}

// appsThat returns the apps of a namespace that an event concerns. There are few, so there is no index.
func (r *Reconciler) appsThat(ctx context.Context, namespace string, concerned func(*v1alpha1.ScimApp) bool) ([]types.NamespacedName, error) {
	var apps v1alpha1.ScimAppList
	if err := r.Client.List(ctx, &apps, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the apps of a namespace: %w", err)
	}
	var keys []types.NamespacedName
	for i := range apps.Items {
		if concerned(&apps.Items[i]) {
			keys = append(keys, client.ObjectKeyFromObject(&apps.Items[i]))
		}
	}
	return keys, nil
}
