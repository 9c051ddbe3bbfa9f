// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// ConflictError says that the name of an object belongs to another one.
type ConflictError struct {
	// Holder is the metadata.name of the object that has it.
	Holder string
}

// Error implements error.
func (e *ConflictError) Error() string { return "the name belongs to " + e.Holder }

// Admit makes a ScimUser take effect: takes its userName, then sets spec.id and the finalizer in one write. It is for users that a person made or renamed, and
// for what a crashed create left behind. The user is changed to what was written; one that is admitted and entitled costs reads only.
//
// A *ConflictError says that the userName belongs to another user. A user that the endpoint had not finished creating is deleted then, and its UID is gone.
func (s *Store) Admit(ctx context.Context, u *v1alpha1.ScimUser) error { panic("skeleton") }

// AdmitGroup does for a ScimGroup what Admit does for a user.
func (s *Store) AdmitGroup(ctx context.Context, g *v1alpha1.ScimGroup) error { panic("skeleton") }

// Entitled reports, from the cache, whether an admitted user holds its userName, or is not known not to. Where it is false, Admit decides.
func (s *Store) Entitled(ctx context.Context, u *v1alpha1.ScimUser) (bool, error) { panic("skeleton") }

// MayVanish reports whether the last of our finalizers may be removed from the user, with the resourceVersion that the argument has: no other user holds
// its name through this object. If not, ask again later.
func (s *Store) MayVanish(ctx context.Context, u *v1alpha1.ScimUser) (bool, error) {
	panic("skeleton")
}

// ReleaseReservation removes the object that reserves the userName of a user that goes away, or the Lease of a group's name. Call it before the finalizer is
// removed.
func (s *Store) ReleaseReservation(ctx context.Context, u *v1alpha1.ScimUser) error {
	panic("skeleton")
}

// ReleaseGroupName removes what reserves the displayName of a group that goes away. Call it before the finalizer is removed.
func (s *Store) ReleaseGroupName(ctx context.Context, g *v1alpha1.ScimGroup) error { panic("skeleton") }

// SweepReservation removes a ScimUser that only reserves a userName if nobody holds that userName by it any more. gone is true if it was removed.
func (s *Store) SweepReservation(ctx context.Context, u *v1alpha1.ScimUser) (gone bool, err error) {
	panic("skeleton")
}
