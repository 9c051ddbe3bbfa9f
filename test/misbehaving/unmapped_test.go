// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package misbehaving

import (
	"net/http"
	"strings"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/test/harness"
)

// removes reports whether a request removes an attribute of an account, or writes null to it.
func removes(attribute string) func(*exchange) bool {
	return func(x *exchange) bool {
		if !x.is(http.MethodPatch, "Users") {
			return false
		}
		operations, _ := x.sent()["Operations"].([]any)
		for _, o := range operations {
			operation, _ := o.(map[string]any)
			op, _ := operation["op"].(string)
			if operation["path"] == attribute && (strings.EqualFold(op, "remove") || operation["value"] == nil) {
				return true
			}
		}
		return false
	}
}

// TestAttributeThatIsTakenOutBecauseTheAppRefusesToRemoveIt: PATCH remove of title -> 400, and a person takes title out of spec.attributes. No remove is sent, changes and
// reactivations go on, and the app keeps the title.
func TestAttributeThatIsTakenOutBecauseTheAppRefusesToRemoveIt(t *testing.T) {
	t.Parallel()
	d, op, a := setUp(t, func(app *v1alpha1.ScimApp) {
		app.Spec.Attributes = append(app.Spec.Attributes, v1alpha1.AttributeMapping{Name: "title", Expression: `"Engineer"`})
	}, nil)
	ids, _ := hired(t, d, op, "kim@corp.test", "lee@corp.test")
	a.awaitValue(t, "kim@corp.test", "title", "Engineer")
	deactivate(t, op, ids[1])
	d.AwaitAccount(t, ids[1], appName, v1alpha1.AccountInactive)
	a.misbehave(when(removes("title"), func(x *exchange, _ func()) { x.refuse(http.StatusBadRequest, "", "Bad request") }))
	harness.Change(t, d, appName, &v1alpha1.ScimApp{}, func(app *v1alpha1.ScimApp) {
		app.Spec.Attributes = []v1alpha1.AttributeMapping{{Name: "title"}}
	})
	replace(t, op, ids[0], `{"displayName":"Kim"}`)
	a.awaitValue(t, "kim@corp.test", "displayName", "Kim")
	deactivate(t, op, ids[0])
	d.AwaitAccount(t, ids[0], appName, v1alpha1.AccountInactive)
	for _, id := range ids {
		replace(t, op, id, `{"active":true}`)
		account := d.AwaitAccount(t, id, appName, v1alpha1.AccountActive).Status.Account(appName)
		if account.Reason != "" || len(account.RejectedAttributes) > 0 {
			t.Errorf("the account is %+v", account)
		}
	}
	if sent := a.count(removes("title")); sent != 0 {
		t.Errorf("%d requests remove the title", sent)
	}
	if got := a.value("kim@corp.test", "title"); got != "Engineer" {
		t.Errorf("the app has the title %v", got)
	}
}
