// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// concurrency of the reconciler: a credential test may wait for an app that hangs, which must not keep the others waiting.
const concurrency = 8

// SetupWithManager starts the controller with the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, trigger *kube.Trigger) error {
	reconciler := kube.LetGo(r, r.Client, r.Live, &v1alpha1.ScimApp{}, v1alpha1.FinalizerDeprovision)
	options := controller.Options{MaxConcurrentReconciles: concurrency, RateLimiter: kube.RateLimiter()}
	return kube.Build(mgr, "scimapp", r.Watches(), options, reconciler, trigger.Source())
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
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, secret client.Object) []ctrl.Request {
		var requests []ctrl.Request
		for _, app := range r.list(ctx, secret.GetNamespace()) {
			ca := app.Spec.SCIM.CA
			if app.Spec.SCIM.Token.Name == secret.GetName() || (ca != nil && ca.Name == secret.GetName()) {
				requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&app)})
			}
		}
		return requests
	})
}

// pushed: the apps that list groups, when a group comes, goes or has another name.
func (r *Reconciler) pushed() handler.EventHandler {
	return kube.Handle(func(ctx context.Context, before, after *v1alpha1.ScimGroup) ([]types.NamespacedName, error) {
		if identity(before) == identity(after) {
			return nil, nil
		}
		if after == nil {
			after = before
		}
		var keys []types.NamespacedName
		for _, app := range r.list(ctx, after.Namespace) {
			if len(app.Spec.Groups) > 0 {
				keys = append(keys, client.ObjectKeyFromObject(&app))
			}
		}
		return keys, nil
	})
}

func identity(group *v1alpha1.ScimGroup) string {
	if group == nil || !group.Admitted() || !group.DeletionTimestamp.IsZero() {
		return ""
	}
	return group.SCIMID() + " " + group.Spec.DisplayName
}

// list is the apps of a namespace: a handful, so there is no index.
func (r *Reconciler) list(ctx context.Context, namespace string) []v1alpha1.ScimApp {
	var apps v1alpha1.ScimAppList
	if err := r.Client.List(ctx, &apps, client.InNamespace(namespace)); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Cannot list the ScimApps that a change concerns", "namespace", namespace)
	}
	return apps.Items
}
