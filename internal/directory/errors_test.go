// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/scim-operator/scim-operator/internal/scim"
)

func TestErrorsOfTheAPIServerAreSCIMErrorsWithoutPersonalValues(t *testing.T) {
	const secret = "kim@corp.test"
	resource := schema.GroupResource{Group: "scim-operator.io", Resource: "scimusers"}
	invalid := apierrors.NewInvalid(schema.GroupKind{Kind: "ScimUser"}, "u", field.ErrorList{field.Invalid(field.NewPath("spec", "userName"), secret, "no")})
	terminating := apierrors.NewForbidden(resource, "u", errors.New("x"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for name, test := range map[string]struct {
		err        error
		status     int
		says       string
		retryAfter time.Duration
	}{
		"invalid":         {invalid, 400, "userName", 0},
		"conflict":        {&ConflictError{Holder: "u"}, 409, "userName belongs", 0},
		"contention":      {errContention, 503, "try again", retryAfterContention},
		"in doubt":        {errInDoubt, 503, "try again", retryAfterContention},
		"too many":        {apierrors.NewTooManyRequests(secret, 7), 503, "does not answer", 7 * time.Second},
		"etcd's timeout":  {apierrors.NewServerTimeout(resource, "create", 2), 503, "does not answer", 2 * time.Second},
		"timeout":         {apierrors.NewTimeoutError(secret, 3), 503, "does not answer", 3 * time.Second},
		"unreachable":     {&url.Error{Op: "Get", URL: secret, Err: errors.New("refused")}, 503, "does not answer", retryAfterOutage},
		"given up":        {fmt.Errorf("x: %w", context.DeadlineExceeded), 503, "in time", retryAfterOutage},
		"too large":       {apierrors.NewRequestEntityTooLargeError(secret), 413, "too large", 0},
		"etcd too large":  {apierrors.NewInternalError(errors.New("etcdserver: request is too large " + secret)), 413, "too large", 0},
		"terminating":     {terminating, 503, "namespace is being deleted", retryAfterOutage},
		"forbidden":       {apierrors.NewForbidden(resource, secret, errors.New(secret)), 500, "Forbidden", 0},
		"anything else":   {errors.New(secret), 500, "unknown reason", 0},
		"a SCIM error":    {scim.InvalidValue("x"), 400, "x", 0},
		"no error at all": {nil, 200, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			err := answer(scim.UserType, test.err)
			wantStatus(t, err, test.status)
			if err == nil {
				return
			}
			if !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), secret) {
				t.Errorf("it says %q", err)
			}
			var u *UnavailableError
			if errors.As(err, &u) != (test.retryAfter > 0) || u != nil && u.RetryAfter != test.retryAfter {
				t.Errorf("retry after: %+v", u)
			}
		})
	}
}
