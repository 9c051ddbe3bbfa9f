// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package misbehaving

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/test/harness"
)

// TestServerErrorForOneAccountsData: PATCH of one account -> 500. The account says so with the app's words, and the app stays Ready.
func TestServerErrorForOneAccountsData(t *testing.T) {
	t.Parallel()
	d, op, a := setUp(t, nil, nil)
	ids, remote := hired(t, d, op, "kim@corp.test", "lee@corp.test")
	awaitCondition(t, d, v1alpha1.ConditionReady, "True", "")
	a.misbehave(when(func(x *exchange) bool { return x.is(http.MethodPatch, "Users") && x.id() == remote[0] }, func(x *exchange, _ func()) {
		x.refuse(http.StatusInternalServerError, "", "the department has no mailbox policy")
	}))
	retitle(t, op, ids[0], "Engineer")
	start := time.Now()
	account := awaitReason(t, d, ids[0], v1alpha1.ReasonServerError)
	mentions(t, account.Message, "mailbox policy", "500")
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("the account says so after %s", took)
	}
	awaitCondition(t, d, v1alpha1.ConditionReady, "True", "")
	retitle(t, op, ids[1], "Manager")
	harness.Eventually(t, "the other account is changed", func() error {
		if user, _ := a.User("lee@corp.test"); user.Attributes["title"] != "Manager" {
			return errNotYet
		}
		return nil
	})
	a.misbehave(nil)
	d.AwaitAccount(t, ids[0], appName, v1alpha1.AccountActive)
}

// TestFailedWriteIsNotRepeatedBeforeItsBackOff: PATCH -> 500, while the user is enqueued again and again.
func TestFailedWriteIsNotRepeatedBeforeItsBackOff(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*testing.T, *harness.Operator, string)
	}{
		"change":     {func(t *testing.T, op *harness.Operator, id string) { retitle(t, op, id, "Engineer") }},
		"revocation": {deactivate},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, op, a := setUp(t, nil, nil)
			ids, _ := hired(t, d, op, "kim@corp.test", "lee@corp.test")
			a.misbehave(when(request(http.MethodPatch, "Users"), func(x *exchange, _ func()) {
				x.refuse(http.StatusInternalServerError, "", "broken")
			}))
			tc.change(t, op, ids[0])
			harness.Eventually(t, "the first call", func() error {
				if a.count(request(http.MethodPatch, "Users")) == 0 {
					return errNotYet
				}
				return nil
			})
			flood(t, d, ids[0])
			spaced(t, a.exchanges(request(http.MethodPatch, "Users")))
		})
	}
}

// flood has a user reconciled again and again.
func flood(t *testing.T, d *harness.Directory, id string) {
	t.Helper()
	for i := range 60 {
		annotate(t, d, id, "example.com/flood", fmt.Sprint(i))
	}
}

// spaced fails the test if calls for one account follow each other faster than a back-off allows. The first retry comes after a second, less the jitter.
func spaced(t *testing.T, calls []exchange) {
	t.Helper()
	for i := 1; i < len(calls); i++ {
		if gap := calls[i].at.Sub(calls[i-1].at); gap < 500*time.Millisecond {
			t.Errorf("call %d follows after %s", i, gap)
		}
	}
}

// TestCreateWithoutIDIsNotLookedUpHot: POST -> 201 without id, and no lookup shows the account. It is looked up with back-off, and created once.
func TestCreateWithoutIDIsNotLookedUpHot(t *testing.T) {
	t.Parallel()
	d, op, a := setUp(t, nil, nil)
	hired(t, d, op, "lee@corp.test")
	a.misbehave(func(x *exchange, pass func()) {
		pass()
		switch {
		case x.is(http.MethodPost, "Users"):
			x.header.Del("Location")
			x.edit(func(user map[string]any) { delete(user, "id"); delete(user, "meta") })
		case x.looksUp("Users"):
			x.replyJSON(http.StatusOK, map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:ListResponse"}, "totalResults": 0, "Resources": []any{}})
		}
	})
	kim := op.CreateUser(t, "kim@corp.test")
	harness.Eventually(t, "the create", func() error {
		if _, there := a.User("kim@corp.test"); !there {
			return errNotYet
		}
		return nil
	})
	flood(t, d, kim)
	lookups := a.exchanges(func(x *exchange) bool { return x.looksUp("Users") && strings.Contains(x.query.Get("filter"), "kim@") })
	if len(lookups) > 6 {
		t.Errorf("%d lookups", len(lookups))
	}
	a.misbehave(nil)
	d.AwaitAccount(t, kim, appName, v1alpha1.AccountActive)
	if len(a.Users()) != 2 {
		t.Errorf("the app has %d accounts", len(a.Users()))
	}
}

// TestFailedUpdateIsTriedAgainAfterASuspension: a failed update of an attribute that every account needs, then suspend: true, then false.
func TestFailedUpdateIsTriedAgainAfterASuspension(t *testing.T) {
	t.Parallel()
	d, op, a := setUp(t, nil, nil)
	ids, _ := hired(t, d, op, "kim@corp.test", "lee@corp.test")
	a.misbehave(when(request(http.MethodPatch, "Users"), func(x *exchange, _ func()) { x.refuse(http.StatusBadRequest, "invalidValue", "no") }))
	replace(t, op, ids[0], `{"userName":"kim.lee@corp.test"}`)
	awaitReason(t, d, ids[0], v1alpha1.ReasonRejected)
	suspend := func(suspend bool) {
		harness.Change(t, d, appName, &v1alpha1.ScimApp{}, func(app *v1alpha1.ScimApp) { app.Spec.Suspend = suspend })
	}
	suspend(true)
	awaitReason(t, d, ids[0], v1alpha1.ReasonSuspended)
	a.misbehave(nil)
	suspend(false)
	harness.Eventually(t, "the userName is written", func() error {
		if _, there := a.User("kim.lee@corp.test"); !there {
			return errNotYet
		}
		return nil
	})
	awaitCondition(t, d, v1alpha1.ConditionAccountsSynced, "True", "")
}
