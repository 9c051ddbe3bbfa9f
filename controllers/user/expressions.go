// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/mapping"
	"github.com/scim-operator/scim-operator/internal/resource"
)

// expressions: the users for whom the expression of a role mapping was true before a change of the mapping, or is now. Each is evaluated once for each user. The
// mappings that are there at the start are left out: every user comes by itself then.
func (w *watches) expressions() handler.EventHandler {
	enqueue := func(ctx context.Context, mapping client.Object, q kube.Queue, texts ...string) {
		requests, err := w.selected(ctx, mapping.GetNamespace(), texts)
		if err != nil {
			w.sweeper.Request(ctx, mapping.GetNamespace(), err, q)
		}
		for _, request := range requests {
			q.Add(request)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q kube.Queue) {
			if !e.IsInInitialList {
				enqueue(ctx, e.Object, q, expressionsOf(e.Object)...)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q kube.Queue) {
			before, ok1 := e.ObjectOld.(*v1alpha1.ScimRoleMapping)
			after, ok2 := e.ObjectNew.(*v1alpha1.ScimRoleMapping)
			if ok1 && ok2 && inForceChanged(before, after) {
				enqueue(ctx, after, q, append(expressionsOf(before), expressionsOf(after)...)...)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q kube.Queue) {
			enqueue(ctx, e.Object, q, expressionsOf(e.Object)...)
		},
	}
}

// expressionsOf are those of the specs of a mapping that are in force.
func expressionsOf(object client.Object) []string {
	var texts []string
	if m, ok := object.(*v1alpha1.ScimRoleMapping); ok {
		for _, version := range assignment.Versions(m) {
			texts = append(texts, version.Spec.Subjects.Expression)
		}
	}
	return texts
}

// selected are the users of a namespace for whom one of the expressions is true.
func (w *watches) selected(ctx context.Context, namespace string, texts []string) ([]reconcile.Request, error) {
	conditions := map[string]*mapping.Condition{}
	for _, text := range texts {
		// One that does not compile selects nobody; the mapping's status says so.
		if condition, err := mapping.CompileCondition(text); text != "" && err == nil {
			conditions[text] = condition
		}
	}
	if len(conditions) == 0 {
		return nil, nil
	}
	var users v1alpha1.ScimUserList
	if err := w.cache.List(ctx, &users, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the users: %w", err)
	}
	var requests []reconcile.Request
	for i := range users.Items {
		user := &users.Items[i]
		variables := resource.Variables(user)
		for _, condition := range conditions {
			if holds, _ := condition.Holds(variables); holds {
				requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(user)})
				break
			}
		}
	}
	return requests, nil
}
