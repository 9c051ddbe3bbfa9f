// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"fmt"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
)

// address is the base URL that is used.
func address(s *scope) string {
	if s.app.Spec.SCIM.BaseURL == "" && s.compiled != nil {
		return s.compiled.Profile.DefaultBaseURL
	}
	return s.app.Spec.SCIM.BaseURL
}

// address refuses another base URL while accounts or groups are recorded under the former one: at another tenant, their ids may be those of strangers. A person says that it is the
// same tenant.
func (r *Reconciler) address(ctx context.Context, s *scope) error {
	former, current := s.app.Status.BaseURL, address(s)
	if s.compiled == nil || former == "" || sameAddress(former, current, s.compiled.Profile.BasePath) || s.app.Annotations[v1alpha1.AnnotationAcceptBaseURL] == current {
		return nil
	}
	recorded, err := r.View.HasRemoteIDs(ctx, s.key)
	if err != nil || !recorded {
		return err
	}
	s.moved = true
	s.invalid, s.invalidReason = fmt.Sprintf("spec.scim.baseURL: accounts are recorded under %s, and their ids may be those of other accounts under %s; change it back, or, if the "+
		"accounts are the same there, set the annotation %s to the new base URL. For another tenant, create another ScimApp", former, current, v1alpha1.AnnotationAcceptBaseURL),
		v1alpha1.ReasonInvalidConfiguration
	return nil
}

func sameAddress(a, b, basePath string) bool {
	first, errFirst := connector.NormalizeBaseURL(a, basePath)
	second, errSecond := connector.NormalizeBaseURL(b, basePath)
	return a == b || (errFirst == nil && errSecond == nil && withoutDefaultPort(first) == withoutDefaultPort(second))
}
