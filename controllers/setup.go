// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controllers wires the controllers together: the indexes of the cache, the view that all of them decide on, the running apps.
package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/controllers/app"
	scimclient "github.com/scim-operator/scim-operator/controllers/client"
	"github.com/scim-operator/scim-operator/controllers/group"
	"github.com/scim-operator/scim-operator/controllers/groupslice"
	"github.com/scim-operator/scim-operator/controllers/rolemapping"
	"github.com/scim-operator/scim-operator/controllers/user"
	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/egress"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/membership"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// Options are what the controllers need from outside.
type Options struct {
	// Live reads and writes without a cache.
	Live client.Client
	// Issuers has the keys of identity providers that log in with JSON Web Tokens, shared with the endpoint.
	Issuers *clients.Issuers
	// Directory keeps names unique.
	Directory *directory.Store
	Clock     clock.Clock
	Metrics   prometheus.Registerer
	// TestInterval is after how long without an answer the credentials of an app are tested again; never if 0.
	TestInterval time.Duration
	// UserAgent of the calls to apps, such as "scim-operator/1.0".
	UserAgent string
	// ResyncPeriod is the time within which every object is reconciled although nothing is known to have changed.
	ResyncPeriod time.Duration
	// Egress says which addresses apps may have; nil is all of them.
	Egress *egress.Policy
}

// RegisterIndexes adds every index to the manager's cache. The endpoint needs them too, so they are registered whether or not controllers run.
func RegisterIndexes(ctx context.Context, mgr ctrl.Manager) error {
	indexes := kube.NamespaceIndexes{Informers: mgr.GetCache()}
	resynced := []client.Object{
		&v1alpha1.ScimUser{}, &v1alpha1.ScimGroup{}, &v1alpha1.ScimGroupSlice{}, &v1alpha1.ScimApp{}, &v1alpha1.ScimRoleMapping{}, &v1alpha1.ScimClient{},
	}
	return errors.Join(directory.RegisterIndexes(ctx, indexes), desired.RegisterIndexes(ctx, indexes),
		kube.RegisterResync(ctx, kube.OverallIndexes{Informers: mgr.GetCache()}, resynced...))
}

// Setup adds all controllers to the manager.
func Setup(mgr ctrl.Manager, o Options) error {
	view := desired.NewView(mgr.GetClient(), ledger.NewBook(o.Clock))
	if err := watchLosses(mgr, view); err != nil {
		return err
	}
	metrics := provisioner.NewMetrics(o.Metrics, o.Clock)
	registry := provisioner.NewRegistry(view, o.Clock, mgr.GetLogger().WithName("apps"), metrics)
	schedule := kube.Schedule{Period: o.ResyncPeriod, Clock: o.Clock}
	var users, groups, scimApps kube.Trigger
	notify := provisioner.Notify{User: users.Add, Group: groups.Add, App: scimApps.Add}
	registry.SetNotify(notify)
	if err := mgr.Add(registry); err != nil {
		return fmt.Errorf("adding the running apps: %w", err)
	}
	recorder := mgr.GetEventRecorder("scim-operator")
	reporter := kube.NewReporter(recorder, o.Clock)
	return errors.Join(
		(&user.Reconciler{
			Client: mgr.GetClient(), Live: o.Live, Directory: o.Directory, View: view, Apps: registry, Recorder: recorder, Reporter: reporter,
			Clock: o.Clock,
		}).SetupWithManager(mgr, &users, schedule),
		(&group.Reconciler{
			Client: mgr.GetClient(), Live: o.Live, Directory: o.Directory, View: view, Apps: registry, Recorder: recorder, Reporter: reporter,
			Clock: o.Clock,
		}).SetupWithManager(mgr, &groups, schedule),
		(&app.Reconciler{
			Client: mgr.GetClient(), Live: o.Live, View: view, Apps: registry, Metrics: metrics, Recorder: recorder, Clock: o.Clock, Wake: notify, WakeLater: users.AddLow,
			UserAgent: o.UserAgent, Egress: o.Egress,
			TestInterval: o.TestInterval, Reporter: reporter,
		}).SetupWithManager(mgr, &scimApps, schedule),
		(&rolemapping.Reconciler{Client: mgr.GetClient(), Clock: o.Clock, Reporter: reporter}).SetupWithManager(mgr, schedule),
		(&groupslice.Reconciler{Directory: o.Directory, Clock: o.Clock}).SetupWithManager(mgr, schedule),
		(&scimclient.Reconciler{Client: mgr.GetClient(), Live: o.Live, Issuers: o.Issuers, Clock: o.Clock, Reporter: reporter}).SetupWithManager(mgr, schedule),
	)
}

// watchLosses tells the view when the cache loses a part of a group's members.
func watchLosses(mgr ctrl.Manager, view *desired.View) error {
	informer, err := mgr.GetCache().GetInformer(context.Background(), &v1alpha1.ScimGroupSlice{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watching the slices of groups: %w", err)
	}
	return membership.Follow(informer, func(*v1alpha1.ScimGroupSlice) {}, view.SliceVanished)
}
