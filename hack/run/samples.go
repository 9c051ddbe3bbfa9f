// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"path/filepath"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// applySamples applies config/samples and waits until the identity provider may come and the apps are Ready. Where a demo app had to take
// another port than the samples say, the ScimApp gets its address.
func (d *demo) applySamples(ctx context.Context) error {
	files, err := filepath.Glob(filepath.Join(d.root, "config", "samples", "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		objects, err := readYAML(file)
		if err != nil {
			return err
		}
		for _, object := range objects {
			if err := d.applySample(ctx, object); err != nil {
				return err
			}
		}
	}
	return d.await(ctx, d.samplesReady)
}

func (d *demo) applySample(ctx context.Context, object *unstructured.Unstructured) error {
	object.SetNamespace(namespace)
	for _, app := range d.apps {
		if object.GetKind() == "ScimApp" && object.GetName() == app.name {
			if err := unstructured.SetNestedField(object.Object, app.URL(), "spec", "scim", "baseURL"); err != nil {
				return err
			}
		}
	}
	return d.apply(ctx, object)
}

// samplesReady is what keeps the session from starting, nil if nothing does.
func (d *demo) samplesReady(ctx context.Context) error {
	okta := &v1alpha1.ScimClient{}
	if err := d.admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "okta"}, okta); err != nil {
		return err
	}
	if err := ready("ScimClient okta", okta); err != nil {
		return err
	}
	for _, app := range d.apps {
		object := &v1alpha1.ScimApp{}
		if err := d.admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: app.name}, object); err != nil {
			return err
		}
		if err := ready("ScimApp "+app.name, object); err != nil {
			return err
		}
	}
	return nil
}

// ready is why an object is not Ready, nil if it is.
func ready(what string, object v1alpha1.Conditioned) error {
	condition := meta.FindStatusCondition(*object.ConditionList(), v1alpha1.ConditionReady)
	switch {
	case condition == nil:
		return fmt.Errorf("%s has no condition Ready yet", what)
	case condition.ObservedGeneration != object.GetGeneration():
		return fmt.Errorf("%s changed, and its status does not show it yet", what)
	case condition.Status != "True":
		return fmt.Errorf("%s is not Ready: %s: %s", what, condition.Reason, condition.Message)
	default:
		return nil
	}
}
