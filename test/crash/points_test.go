// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
)

// phase of a call.
type phase string

const (
	// before the API server or the app gets the request.
	before phase = "before"
	// after it has done what the request asks for, and before the operator hears of it.
	after phase = "after"
)

// step is one kind of call that the operator makes on its way. Each phase of it is a kill point.
type step struct {
	name string
	// phases at which to kill: before and after when empty.
	phases []phase
	// spread: the operator is killed at an occurrence that is drawn from the first so many.
	spread int

	// A call to the API server.
	method, resource, subresource string
	// is, if set, looks further into the call, before it is made.
	is func(*apiCall) bool
	// status of the answer; any success when 0.
	status int

	// A call to an app. changes, if set, says what becomes of the account's active (known after the commit only).
	op      string
	changes change
}

// change of an account's active.
type change string

const (
	switchedOff change = "off"
	switchedOn  change = "on"
	unswitched  change = "same"
)

var afterOnly = []phase{after}

// steps are all boundaries at which the operator is killed.
var steps = []step{
	// The endpoint creates a user in one call: the object's name is made of the userName.
	{name: "user: create", spread: 30, method: http.MethodPost, resource: "scimusers",
		is: func(c *apiCall) bool { return c.user().Admitted() }},
	// The slow path: the object of that name stands for somebody else, or reserves the name for somebody who is gone.
	{name: "user: create finds the name's object there", phases: afterOnly, spread: 2, method: http.MethodPost, resource: "scimusers",
		is: func(c *apiCall) bool { return c.user().Admitted() }, status: http.StatusConflict},
	{name: "user: create beside the name's object", spread: 3, method: http.MethodPost, resource: "scimusers",
		is: func(c *apiCall) bool { return c.user().Spec.UserName != "" && !c.user().Admitted() }},
	{name: "user: reserve the name in its object", spread: 3, method: http.MethodPut, resource: "scimusers", is: reserves},
	{name: "user: admit", spread: 3, method: http.MethodPut, resource: "scimusers",
		is: func(c *apiCall) bool { return c.user().Admitted() && c.userBefore().Spec.ID == "" }},
	{name: "user: let go of a void reservation", spread: 3, method: http.MethodPut, resource: "scimusers", is: letsGo},
	{name: "user: delete a void reservation", spread: 3, method: http.MethodDelete, resource: "scimusers",
		is: func(c *apiCall) bool { return c.userBefore().Spec.UserName == "" }},
	// A rename.
	{name: "user: reserve the new name", spread: 8, method: http.MethodPost, resource: "scimusers",
		is: func(c *apiCall) bool { return c.user().Spec.UserName == "" && c.user().Spec.Reservation != nil }},
	{name: "user: rename", spread: 8, method: http.MethodPut, resource: "scimusers",
		is: func(c *apiCall) bool {
			had := c.userBefore()
			return had.Admitted() && c.user().Spec.UserName != "" && c.user().Spec.UserName != had.Spec.UserName
		}},
	// Other pushes.
	{name: "user: change of the profile or of active", spread: 10, method: http.MethodPut, resource: "scimusers",
		is: func(c *apiCall) bool {
			had := c.userBefore()
			return c.manager == "" && had.Admitted() && c.user().Spec.UserName == had.Spec.UserName && !reserves(c) && !letsGo(c)
		}},
	{name: "user: delete", spread: 6, method: http.MethodDelete, resource: "scimusers",
		is: func(c *apiCall) bool { return c.userBefore().Admitted() }},
	{name: "group: create", spread: 3, method: http.MethodPost, resource: "scimgroups"},
	{name: "group: reserve the name", spread: 3, method: http.MethodPost, resource: "leases", is: named("scim-group-")},
	{name: "group: admit", spread: 3, method: http.MethodPut, resource: "scimgroups",
		is: func(c *apiCall) bool { return c.group().Admitted() && c.groupBefore().Spec.ID == "" }},
	{name: "group: rename", spread: 2, method: http.MethodPut, resource: "scimgroups",
		is: func(c *apiCall) bool {
			had := c.groupBefore()
			return had.Admitted() && c.group().Spec.DisplayName != had.Spec.DisplayName
		}},
	{name: "group: let go of the former name", spread: 2, method: http.MethodDelete, resource: "leases", is: named("scim-group-")},
	{name: "group: change of members", spread: 20, method: http.MethodPut, resource: "scimgroups",
		is: func(c *apiCall) bool {
			had := c.groupBefore()
			return had.Admitted() && c.group().Spec.DisplayName == had.Spec.DisplayName && pushed(c)
		}},
	{name: "group: delete", spread: 2, method: http.MethodDelete, resource: "scimgroups"},
	// The controllers.
	{name: "status of a user: intent", spread: 60, method: http.MethodPatch, resource: "scimusers", subresource: "status",
		is: func(c *apiCall) bool { return creating(c.user()) && !creating(c.userBefore()) }},
	{name: "status of a user: outcomes", spread: 60, method: http.MethodPatch, resource: "scimusers", subresource: "status",
		is: func(c *apiCall) bool { return len(c.user().Status.Accounts) > 0 && !creating(c.user()) }},
	{name: "status of a group: intent", spread: 1, method: http.MethodPatch, resource: "scimgroups", subresource: "status",
		is: func(c *apiCall) bool { return pushing(c.group(), v1alpha1.GroupCreating) }},
	{name: "status of a group: outcomes", spread: 4, method: http.MethodPatch, resource: "scimgroups", subresource: "status",
		is: func(c *apiCall) bool { return pushing(c.group(), v1alpha1.GroupPushed) }},
	{name: "status of an app", spread: 3, method: http.MethodPatch, resource: "scimapps", subresource: "status"},
	{name: "status of a role mapping", spread: 2, method: http.MethodPatch, resource: "scimrolemappings", subresource: "status"},
	{name: "a deleted user leaves its groups", spread: 5, method: http.MethodPut, resource: "scimgroups",
		is: func(c *apiCall) bool {
			return !pushed(c) && c.group().Spec.MemberCount() < c.groupBefore().Spec.MemberCount()
		}},
	{name: "user: remove the finalizer", spread: 5, method: http.MethodPatch, resource: "scimusers",
		is: func(c *apiCall) bool { return c.subresource == "" && bytes.Contains(c.body, []byte(`"finalizers"`)) }},
	{name: "group: remove the finalizer", spread: 1, method: http.MethodPatch, resource: "scimgroups",
		is: func(c *apiCall) bool { return c.subresource == "" && bytes.Contains(c.body, []byte(`"finalizers"`)) }},
	// The apps.
	{name: "app: look-up of an account", phases: afterOnly, spread: 60, op: fakeapp.UsersFind},
	{name: "app: account created", spread: 60, op: fakeapp.UsersCreate},
	{name: "app: account changed", phases: afterOnly, spread: 10, op: fakeapp.UsersPatch, changes: unswitched},
	{name: "app: account deactivated", phases: afterOnly, spread: 8, op: fakeapp.UsersPatch, changes: switchedOff},
	{name: "app: account reactivated", phases: afterOnly, spread: 5, op: fakeapp.UsersPatch, changes: switchedOn},
	{name: "app: change of an account", phases: []phase{before}, spread: 20, op: fakeapp.UsersPatch},
	{name: "app: group created", spread: 1, op: fakeapp.GroupsCreate},
	{name: "app: group changed", spread: 5, op: fakeapp.GroupsPatch},
	{name: "app: group deleted", spread: 1, op: fakeapp.GroupsDelete},
}

// matches is whether a call to the API server is this step.
func (s *step) matches(c *apiCall) bool {
	return s.op == "" && c.method == s.method && c.resource == s.resource && c.subresource == s.subresource && (s.is == nil || s.is(c))
}

// answered is whether the API server's answer is the one of the step.
func (s *step) answered(status int) bool {
	return status == s.status || s.status == 0 && status < http.StatusMultipleChoices
}

// reserves: the request puts a reservation into an object.
func reserves(c *apiCall) bool {
	r, had := c.user().Spec.Reservation, c.userBefore().Spec.Reservation
	return r != nil && (had == nil || *had != *r)
}

// letsGo: the request takes off the finalizer that keeps a reservation.
func letsGo(c *apiCall) bool {
	return controllerutil.ContainsFinalizer(c.userBefore(), v1alpha1.FinalizerReservation) &&
		!controllerutil.ContainsFinalizer(c.user(), v1alpha1.FinalizerReservation)
}

// named: the object has a name that begins so.
func named(prefix string) func(*apiCall) bool {
	return func(c *apiCall) bool {
		return strings.HasPrefix(c.name, prefix) || bytes.Contains(c.body, []byte(prefix))
	}
}

func creating(u *v1alpha1.ScimUser) bool {
	return slices.ContainsFunc(u.Status.Accounts, func(a v1alpha1.Account) bool { return a.State == v1alpha1.AccountCreating })
}

// pushed: the change comes from the identity provider.
func pushed(c *apiCall) bool {
	origin, had := c.group().Annotations[v1alpha1.AnnotationOrigin], c.groupBefore().Annotations[v1alpha1.AnnotationOrigin]
	return origin != had
}

func pushing(g *v1alpha1.ScimGroup, state v1alpha1.PushedGroupState) bool {
	return slices.ContainsFunc(g.Status.Apps, func(a v1alpha1.PushedGroupStatus) bool { return a.State == state })
}
