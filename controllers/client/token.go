// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// token brings the Secret of spec.generateToken to what it should be, and gives what it holds then. It is nil where there is none, or none that the operator made.
//
// Each step is one write, bound to what was read from the API server right before: a crash leaves the step done or not done, and of two operators that take the
// same step one gets a conflict. The cache only tells whether there is a step to take.
func (r *Reconciler) token(ctx context.Context, sc *v1alpha1.ScimClient) (*clients.Generated, *clients.Problem, error) {
	name := sc.GeneratedSecretName()
	if name == "" {
		return nil, nil, nil
	}
	secret := &corev1.Secret{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: sc.Namespace, Name: name}, secret)
	switch {
	case apierrors.IsNotFound(err):
		return r.uncachedToken(ctx, sc, name)
	case err != nil:
		return nil, nil, fmt.Errorf("reading the Secret %q: %w", name, err)
	case !clients.IsGenerated(secret, sc):
		return nil, clients.SecretExists(name), nil
	}
	generated, err := clients.ParseGenerated(secret)
	if !r.due(sc, secret, generated) {
		return settle(generated, err)
	}
	return r.renewToken(ctx, sc, name)
}

// due tells whether the Secret has to be written.
func (r *Reconciler) due(sc *v1alpha1.ScimClient, secret *corev1.Secret, g *clients.Generated) bool {
	before := *g
	return g.Wanted(sc) || before.Prune(sc.Spec.GenerateToken, r.now()) || !ownedBy(secret, sc)
}

// settle gives what a Secret holds, or what is wrong with it.
func settle(g *clients.Generated, err error) (*clients.Generated, *clients.Problem, error) {
	var problem *clients.Problem
	if err != nil && !errors.As(err, &problem) {
		return nil, nil, err
	}
	return g, problem, nil
}

// uncachedToken is for a Secret that the cache does not have: there is none, it lacks the label, or the cache has not seen it yet.
func (r *Reconciler) uncachedToken(ctx context.Context, sc *v1alpha1.ScimClient, name string) (*clients.Generated, *clients.Problem, error) {
	// The metadata alone: what lacks the label is not read.
	found := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: sc.Namespace, Name: name}, found)
	switch {
	case apierrors.IsNotFound(err):
		return r.makeToken(ctx, sc, name)
	case err != nil:
		return nil, nil, fmt.Errorf("looking for the Secret %q: %w", name, err)
	case !clients.IsGenerated(found, sc):
		return nil, clients.SecretExists(name), nil
	}
	if _, labelled := found.Labels[v1alpha1.LabelCredentials]; !labelled {
		return nil, kube.SecretNotLabelled(name), nil
	}
	return r.renewToken(ctx, sc, name)
}

// makeToken makes the Secret with a first token.
func (r *Reconciler) makeToken(ctx context.Context, sc *v1alpha1.ScimClient, name string) (*clients.Generated, *clients.Problem, error) {
	sc, err := r.fresh(ctx, sc)
	if err != nil {
		return nil, nil, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: sc.Namespace, Name: name, Labels: map[string]string{v1alpha1.LabelCredentials: "generated"}},
		Type:       corev1.SecretTypeOpaque,
	}
	generated := &clients.Generated{}
	generated.Rotate(clients.NewToken(), sc.Annotations[v1alpha1.AnnotationRotateToken], r.now())
	return r.write(ctx, sc, secret, generated, func() error {
		return r.Client.Create(ctx, secret, client.FieldOwner(kube.FieldOwner))
	})
}

// renewToken rotates the token if that is asked for, and drops former tokens that are accepted no longer.
func (r *Reconciler) renewToken(ctx context.Context, sc *v1alpha1.ScimClient, name string) (*clients.Generated, *clients.Problem, error) {
	secret := &corev1.Secret{}
	if err := r.Live.Get(ctx, client.ObjectKey{Namespace: sc.Namespace, Name: name}, secret); err != nil {
		return nil, nil, fmt.Errorf("reading the Secret %q: %w", name, err)
	}
	// After the Secret: a ScimClient older than the Secret could ask for a rotation that the Secret has had, and another one since.
	sc, err := r.fresh(ctx, sc)
	if err != nil {
		return nil, nil, err
	}
	if _, labelled := secret.Labels[v1alpha1.LabelCredentials]; !labelled || !clients.IsGenerated(secret, sc) {
		return nil, nil, errChanged
	}
	generated, problem := clients.ParseGenerated(secret)
	if !r.due(sc, secret, generated) {
		return settle(generated, problem)
	}
	if generated.Wanted(sc) {
		generated.Rotate(clients.NewToken(), sc.Annotations[v1alpha1.AnnotationRotateToken], r.now())
		problem = nil
	}
	generated.Prune(sc.Spec.GenerateToken, r.now())
	if problem != nil {
		// Nothing is written over what a person wrote, until they ask for a rotation.
		return settle(generated, problem)
	}
	return r.write(ctx, sc, secret, generated, func() error {
		return r.Client.Update(ctx, secret, client.FieldOwner(kube.FieldOwner))
	})
}

// errChanged has the reconcile tried again.
var errChanged = errors.New("the ScimClient or its Secret has changed meanwhile")

// fresh reads the ScimClient from the API server. The error is errChanged for one that does not ask for this Secret any more.
func (r *Reconciler) fresh(ctx context.Context, cached *v1alpha1.ScimClient) (*v1alpha1.ScimClient, error) {
	sc := &v1alpha1.ScimClient{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(cached), sc); err != nil {
		return nil, fmt.Errorf("reading the ScimClient again: %w", err)
	}
	if sc.UID != cached.UID || !sc.DeletionTimestamp.IsZero() || sc.GeneratedSecretName() != cached.GeneratedSecretName() {
		return nil, errChanged
	}
	return sc, nil
}

// write puts the tokens into the Secret and the Secret into the API server.
func (r *Reconciler) write(ctx context.Context, sc *v1alpha1.ScimClient, secret *corev1.Secret, g *clients.Generated, write func() error) (*clients.Generated, *clients.Problem, error) {
	if err := g.Write(secret, sc); err != nil {
		return nil, nil, err
	}
	secret.OwnerReferences = []metav1.OwnerReference{ownerReference(sc)}
	err := write()
	switch {
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		ctrl.LoggerFrom(ctx).Info("Cannot write the Secret of a generated token", "secret", secret.Name, "reason", string(apierrors.ReasonForError(err)))
		return nil, &clients.Problem{
			Reason: v1alpha1.ReasonSecretNotWritable, Secret: secret.Name,
			Message: fmt.Sprintf("the Secret %q of the generated token cannot be written: %s", secret.Name, refusal(err)),
		}, errNotWritten
	case err != nil:
		return nil, nil, fmt.Errorf("writing the Secret %q: %w", secret.Name, err)
	}
	return g, nil, nil
}

// errNotWritten has the reconcile tried again, after its condition was written.
var errNotWritten = errors.New("the Secret of a generated token cannot be written")

// refusal says why the API server refuses a write. Its own words are not told: they may hold what was to be written.
func refusal(err error) string {
	if apierrors.IsForbidden(err) {
		return "the API server forbids it; the operator needs the verbs create and update on secrets, and no admission policy against it"
	}
	return "the API server finds it invalid; an immutable Secret has to be deleted"
}

// ownerReference makes the Secret go with the ScimClient. It blocks no deletion, so it needs no right on finalizers.
func ownerReference(sc *v1alpha1.ScimClient) metav1.OwnerReference {
	yes := true
	return metav1.OwnerReference{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ScimClient", Name: sc.Name, UID: sc.UID, Controller: &yes}
}

func ownedBy(secret *corev1.Secret, sc *v1alpha1.ScimClient) bool {
	owner := metav1.GetControllerOf(secret)
	return owner != nil && owner.UID == sc.UID
}
