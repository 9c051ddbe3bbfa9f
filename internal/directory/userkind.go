// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// userKind is the ScimUsers of a namespace. The slot of a userName is a ScimUser, too: usually the user itself.
type userKind struct {
	api       api
	namespace string
}

func (userKind) empty() client.Object { return &v1alpha1.ScimUser{} }

func (userKind) id(obj client.Object) string {
	u := obj.(*v1alpha1.ScimUser)
	if !u.Admitted() {
		return ""
	}
	return u.Spec.ID
}

func (userKind) setID(obj client.Object, id string) { obj.(*v1alpha1.ScimUser).Spec.ID = id }

func (userKind) spec(obj client.Object) any { return &obj.(*v1alpha1.ScimUser).Spec }

func (userKind) slot(obj client.Object) string {
	u := obj.(*v1alpha1.ScimUser)
	if u.Spec.UserName == "" {
		return ""
	}
	return userSlot(u.Spec.UserName)
}

func (k userKind) read(ctx context.Context, name string) (*slot, error) {
	u := &v1alpha1.ScimUser{}
	err := k.api.Get(ctx, client.ObjectKey{Namespace: k.namespace, Name: name}, u)
	if apierrors.IsNotFound(err) {
		return &slot{name: name}, nil
	}
	if err != nil {
		return nil, err
	}
	return k.own(u), nil
}

func (k userKind) own(obj client.Object) *slot {
	u := obj.(*v1alpha1.ScimUser)
	s := &slot{name: u.Name, object: u, reservation: u.Spec.Reservation, pure: isReservation(u)}
	if u.Admitted() && u.DeletionTimestamp == nil && k.slot(u) == u.Name {
		s.native = u
	}
	return s
}

// isReservation is whether the object is no user, but stands for the userName of one.
func isReservation(u *v1alpha1.ScimUser) bool { return u.Spec.UserName == "" }

func (k userKind) reserve(ctx context.Context, s *slot, r v1alpha1.Reservation) error {
	if s.object == nil {
		return k.api.Create(ctx, &v1alpha1.ScimUser{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: k.namespace, Name: s.name,
				Labels:     map[string]string{v1alpha1.LabelReservation: "true"},
				Finalizers: []string{v1alpha1.FinalizerReservation},
			},
			Spec: v1alpha1.ScimUserSpec{Reservation: &r},
		})
	}
	u := s.object.DeepCopyObject().(*v1alpha1.ScimUser)
	u.Spec.Reservation = &r
	if !hasFinalizer(u) {
		if u.DeletionTimestamp != nil {
			// It goes at any moment, and nothing can stop it.
			return errContention
		}
		controllerutil.AddFinalizer(u, v1alpha1.FinalizerReservation)
	}
	return k.api.Update(ctx, u)
}

// hasFinalizer is whether the object cannot vanish but by the hand of the operator.
func hasFinalizer(u *v1alpha1.ScimUser) bool {
	return controllerutil.ContainsFinalizer(u, v1alpha1.FinalizerReservation) ||
		controllerutil.ContainsFinalizer(u, v1alpha1.FinalizerDeprovision)
}

func (k userKind) discard(ctx context.Context, s *slot) error {
	u := s.object.DeepCopyObject().(*v1alpha1.ScimUser)
	if controllerutil.RemoveFinalizer(u, v1alpha1.FinalizerReservation) {
		if err := k.api.Update(ctx, u); err != nil {
			return err
		}
		if u.DeletionTimestamp != nil {
			return nil
		}
	}
	return k.api.Delete(ctx, u)
}

func (userKind) unreserve(obj client.Object) { obj.(*v1alpha1.ScimUser).Spec.Reservation = nil }

// stray: a controller compares each user with its slot, see Store.Entitled. A look-up here would cost a scan of all users.
func (userKind) stray(context.Context, client.Object) (client.Object, error) { return nil, nil }
