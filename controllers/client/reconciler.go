// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package client reconciles ScimClients: it makes and rotates generated tokens, and says whether an identity provider that follows the ScimClient can log in, and if
// not, why.
//
// The endpoint does not wait for it: it reads the same ScimClients and Secrets by itself.
package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// +kubebuilder:rbac:groups=scim-operator.io,resources=scimclients,verbs=get;list;watch
// +kubebuilder:rbac:groups=scim-operator.io,resources=scimclients/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;update

// Reconciler keeps the status of ScimClients.
type Reconciler struct {
	// Client reads the manager's cache, which holds the labelled Secrets only, and writes.
	Client client.Client
	// Live reads from the API server. It is used for the metadata of Secrets that the cache does not have.
	Live client.Reader
	// Issuers has the keys for JSON Web Tokens, shared with the endpoint of this process.
	Issuers *clients.Issuers
	// Clock by which generated tokens expire.
	Clock clock.PassiveClock
	// Reporter tells of failures; nil for none.
	Reporter *kube.Reporter
}

// concurrency: an issuer that does not answer holds one worker up for ten seconds, and not the other ScimClients.
const concurrency = 8

// SetupWithManager starts the controller with the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, schedule kube.Schedule) error {
	sweeper := kube.NewSweeper(r.Client, r.Clock, "clients", &v1alpha1.ScimClientList{})
	watches := []kube.Watch{
		kube.Own(&v1alpha1.ScimClient{}),
		{Object: &corev1.Secret{}, Handler: kube.Handle(sweeper, r.clientsOf)},
	}
	reported := kube.ReportFailures(r, r.Client, r.Clock, &v1alpha1.ScimClient{}, nil)
	resync := &kube.Resync{Cache: r.Client, Schedule: schedule.First(), Kind: &v1alpha1.ScimClientList{}}
	options := controller.Options{MaxConcurrentReconciles: concurrency, RateLimiter: kube.RateLimiter()}
	return kube.Build(mgr, "scimclient", watches, options, sweeper.Reconciler(reported), resync)
}

// Reconcile keeps the generated token of one ScimClient, and brings its status up to date.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var before v1alpha1.ScimClient
	if err := r.Client.Get(ctx, req.NamespacedName, &before); err != nil {
		if apierrors.IsNotFound(err) {
			r.Issuers.Forget(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !before.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	found, err := r.look(ctx, &before)
	if err != nil {
		if errors.Is(err, errChanged) || apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
			return ctrl.Result{RequeueAfter: raceDelay}, nil
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	after := before.DeepCopy()
	report(after, found)
	wrote, err := kube.PatchStatus(ctx, r.Client, &before, after)
	switch {
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: raceDelay}, nil
	case client.IgnoreNotFound(err) != nil:
		return ctrl.Result{}, err
	case wrote && err == nil:
		r.Reporter.Tell(ctx, after, reports(&before, after)...)
	}
	return ctrl.Result{RequeueAfter: found.next()}, found.again
}

// raceDelay is after how long something is decided anew that somebody else has changed meanwhile.
const raceDelay = 200 * time.Millisecond

// look finds out how the ScimClient's ways to log in are.
func (r *Reconciler) look(ctx context.Context, sc *v1alpha1.ScimClient) (*findings, error) {
	found := &findings{now: r.now()}
	var err error
	if found.tokens, err = r.problems(ctx, sc); err != nil {
		return nil, err
	}
	if found.generated, found.generatedProblem, err = r.token(ctx, sc); err != nil {
		if !errors.Is(err, errNotWritten) {
			return nil, err
		}
		found.again = err
	}
	found.generateToken = sc.Spec.GenerateToken
	if found.issuer, err = r.Issuers.Check(ctx, r.Client, sc); err != nil {
		return nil, fmt.Errorf("asking the issuer of JSON Web Tokens: %w", err)
	}
	return found, nil
}

func (r *Reconciler) now() time.Time { return r.Clock.Now() }

// problems are those of the ScimClient's tokens.
func (r *Reconciler) problems(ctx context.Context, sc *v1alpha1.ScimClient) ([]clients.Problem, error) {
	_, problems, err := clients.ReadTokens(ctx, r.Client, sc)
	if err != nil {
		return nil, fmt.Errorf("reading tokens: %w", err)
	}
	for i := range problems {
		if problems[i], err = kube.DistinguishSecret(ctx, r.Live, sc.Namespace, problems[i]); err != nil {
			return nil, fmt.Errorf("looking for a Secret without the label: %w", err)
		}
	}
	return problems, nil
}

// clientsOf are the ScimClients that refer to the Secret. A namespace has a handful of ScimClients, so it needs no index.
func (r *Reconciler) clientsOf(ctx context.Context, before, after *corev1.Secret) ([]types.NamespacedName, error) {
	secret := after
	if secret == nil {
		secret = before
	}
	var list v1alpha1.ScimClientList
	if err := r.Client.List(ctx, &list, client.InNamespace(secret.Namespace)); err != nil {
		return nil, fmt.Errorf("listing the clients of a namespace: %w", err)
	}
	var keys []types.NamespacedName
	for i := range list.Items {
		if refersTo(&list.Items[i], secret.Name) {
			keys = append(keys, client.ObjectKeyFromObject(&list.Items[i]))
		}
	}
	return keys, nil
}
