// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// How long a client is asked to wait when nothing better is known.
const (
	retryAfterContention = time.Second
	retryAfterOutage     = 5 * time.Second
)

// answer makes a *scim.Error or *UnavailableError of any error. Errors of the API server may quote personal values, so only reasons and field names go on.
func answer(rt *scim.ResourceType, err error) error {
	var own *scim.Error
	var conflict *ConflictError
	var network net.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return err
	case errors.As(err, &conflict):
		return taken(rt)
	case errors.Is(err, errIncomplete):
		return unavailable(retryAfterOutage, "a part of the members of a group is missing: a restore is under way, or a ScimGroupSlice was deleted")
	case errors.Is(err, errContention), errors.Is(err, errInDoubt):
		return unavailable(retryAfterContention, "others keep changing the same resources; try again")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return unavailable(retryAfterOutage, "the request was not finished in time")
	case apierrors.IsInvalid(err):
		return refused(err)
	case tooLarge(err):
		return scim.NewError(http.StatusRequestEntityTooLarge, "the %s is too large to be stored", strings.ToLower(rt.Name))
	case apierrors.IsServiceUnavailable(err), apierrors.IsTimeout(err), apierrors.IsServerTimeout(err), apierrors.IsTooManyRequests(err),
		apierrors.IsInternalError(err), errors.As(err, &network):
		return unavailable(delay(err), "the Kubernetes API server does not answer")
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return unavailable(retryAfterOutage, "the namespace is being deleted")
	case apierrors.IsUnauthorized(err), unknownRights(err):
		return unavailable(retryAfterOutage, "the Kubernetes API server does not let the operator in, as when it has just started")
	default:
		return scim.NewError(http.StatusInternalServerError, "the Kubernetes API server refused the request: %s", reason(err))
	}
}

func taken(rt *scim.ResourceType) *scim.Error {
	if rt == scim.GroupType {
		return scim.Uniqueness("displayName belongs to another group already")
	}
	return scim.Uniqueness("userName belongs to another user already")
}

func notFound(rt *scim.ResourceType) *scim.Error {
	return scim.NewError(http.StatusNotFound, "there is no %s with this id", strings.ToLower(rt.Name))
}

func unavailable(after time.Duration, format string) *UnavailableError {
	return &UnavailableError{Err: scim.NewError(http.StatusServiceUnavailable, "%s", format), RetryAfter: after}
}

// refused names the fields that the CRD does not take, which are SCIM attributes by their names.
func refused(err error) *scim.Error {
	var fields []string
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, cause := range status.Status().Details.Causes {
			fields = append(fields, strings.TrimPrefix(cause.Field, "spec."))
		}
	}
	return scim.InvalidValue("%s: the value cannot be stored", strings.Join(fields, ", "))
}

// tooLarge: the API server limits the body of a request, etcd what it stores.
func tooLarge(err error) bool {
	return apierrors.IsRequestEntityTooLargeError(err) || err != nil && strings.Contains(err.Error(), "etcdserver: request is too large")
}

// unknownRights is whether the API server refuses a request for lack of a right. One that has just started does so until it has read its roles. Admission refuses with
// the same status, but in other words than "User "name" cannot get resource ..." (k8s.io/apiserver/pkg/endpoints/handlers/responsewriters), and for good.
func unknownRights(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), `" cannot `)
}

func delay(err error) time.Duration {
	if seconds, ok := apierrors.SuggestsClientDelay(err); ok && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	return retryAfterOutage
}

func reason(err error) metav1.StatusReason {
	if r := apierrors.ReasonForError(err); r != metav1.StatusReasonUnknown {
		return r
	}
	return "unknown reason"
}
