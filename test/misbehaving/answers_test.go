// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package misbehaving

import (
	"net/http"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/test/harness"
)

// TestDeactivationThatTheAppConfirmsAndDoesNotApply: PATCH active=false -> 200 {"id":"1","active":true}.
func TestDeactivationThatTheAppConfirmsAndDoesNotApply(t *testing.T) {
	t.Parallel()
	d, op, a := setUp(t, nil, nil)
	id := op.CreateUser(t, "leaver@corp.test")
	d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
	a.misbehave(when(request(http.MethodPatch, "Users"), func(x *exchange, _ func()) {
		x.replyJSON(http.StatusOK, map[string]any{"id": x.id(), "userName": "leaver@corp.test", "active": true})
	}))
	deactivate(t, op, id)

	account := awaitReason(t, d, id, v1alpha1.ReasonNotApplied)
	mentions(t, account.Message, "retry", "active")
	awaitCondition(t, d, v1alpha1.ConditionAccountsSynced, "False", "")

	a.misbehave(nil)
	d.AwaitAccount(t, id, appName, v1alpha1.AccountInactive)
	if user, _ := a.User("leaver@corp.test"); user.Active {
		t.Error("the app still has the account as active")
	}
	if calls := a.count(request(http.MethodPatch, "Users")); calls > 5 {
		t.Errorf("%d calls: the retries are not spaced", calls)
	}
}

// TestWholeAppThatAnswers404: while every answer is a page of a proxy, no account is given up and no finalizer ends.
func TestWholeAppThatAnswers404(t *testing.T) {
	t.Parallel()
	d, op, a := setUp(t, nil, nil)
	id := op.CreateUser(t, "deleted@corp.test")
	d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
	a.misbehave(func(x *exchange, _ func()) { x.reply(http.StatusNotFound, htmlType, "<html>no such site</html>") })
	op.Want(t, http.StatusNoContent, http.MethodDelete, "/Users/"+id, "")

	harness.Eventually(t, "the app is called", func() error {
		if a.count((*exchange).writes) == 0 {
			return errNotYet
		}
		return nil
	})
	awaitCondition(t, d, v1alpha1.ConditionReady, "False", "")
	a.misbehave(nil)
	harness.Eventually(t, "the account is deactivated", func() error {
		if user, there := a.User("deleted@corp.test"); there && user.Active {
			return errNotYet
		}
		return nil
	})
	if _, there := a.User("deleted@corp.test"); !there {
		t.Error("the account was deleted; deprovisioning is Deactivate")
	}
}
