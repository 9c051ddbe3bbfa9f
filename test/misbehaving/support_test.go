// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package misbehaving

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/test/harness"
)

// errNotYet is for conditions that need no more words.
var errNotYet = errors.New("not yet")

// setUp makes a directory, its operator, a misbehaving app, and a mapping that gives the app to everybody.
func setUp(t *testing.T, change func(*v1alpha1.ScimApp), handle handler) (*harness.Directory, *harness.Operator, *app) {
	t.Helper()
	d := harness.NewDirectory(t)
	a := start(t, d, change, handle)
	d.Mapping(t, "everybody", appName, v1alpha1.Subjects{Expression: "true"})
	return d, d.Run(t), a
}

// deactivate pushes a user's deactivation as Okta does.
func deactivate(t *testing.T, op *harness.Operator, id string) {
	t.Helper()
	op.Want(t, http.StatusOK, http.MethodPatch, "/Users/"+id, harness.PatchBody(`{"op":"replace","value":{"active":false}}`))
}

// awaitAccount waits until a user's account in the app passes a check, and returns it.
func awaitAccount(t *testing.T, d *harness.Directory, id, what string, check func(v1alpha1.Account) bool) v1alpha1.Account {
	t.Helper()
	var found v1alpha1.Account
	harness.Eventually(t, what, func() error {
		user, err := d.GetUser(t.Context(), id)
		if err != nil {
			return err
		}
		account := user.Status.Account(appName)
		if account == nil || !check(*account) {
			return fmt.Errorf("status is %+v", user.Status)
		}
		found = *account
		return nil
	})
	return found
}

// awaitReason waits until a user's account says why it is out of sync, and returns it.
func awaitReason(t *testing.T, d *harness.Directory, id, reason string) v1alpha1.Account {
	t.Helper()
	return awaitAccount(t, d, id, "the account says "+reason, func(a v1alpha1.Account) bool { return a.Reason == reason })
}

// awaitCondition waits until the ScimApp has a condition of that status and reason, and returns its message. An empty reason stands for any.
func awaitCondition(t *testing.T, d *harness.Directory, conditionType, status, reason string) string {
	t.Helper()
	message := ""
	harness.Eventually(t, "the app has the condition "+conditionType+" "+status+" "+reason, func() error {
		app := &v1alpha1.ScimApp{}
		if err := d.Admin.Get(t.Context(), d.Key(appName), app); err != nil {
			return err
		}
		c := meta.FindStatusCondition(app.Status.Conditions, conditionType)
		if c == nil || string(c.Status) != status || (reason != "" && c.Reason != reason) {
			return fmt.Errorf("status is %+v", app.Status)
		}
		message = c.Message
		return nil
	})
	return message
}

// awaitGroup waits until a pushed group's status in the app passes a check, and returns it.
func awaitGroup(t *testing.T, d *harness.Directory, displayName, what string, check func(v1alpha1.PushedGroupStatus) bool) v1alpha1.PushedGroupStatus {
	t.Helper()
	var found v1alpha1.PushedGroupStatus
	harness.Eventually(t, what, func() error {
		groups := &v1alpha1.ScimGroupList{}
		if err := d.Admin.List(t.Context(), groups, client.InNamespace(d.Namespace)); err != nil {
			return err
		}
		for i := range groups.Items {
			group := &groups.Items[i]
			if group.Spec.DisplayName != displayName {
				continue
			}
			for _, pushed := range group.Status.Apps {
				if pushed.App == appName && check(pushed) {
					found = pushed
					return nil
				}
			}
			return fmt.Errorf("status is %+v", group.Status)
		}
		return fmt.Errorf("there is no group %s", displayName)
	})
	return found
}

// mentions fails the test unless a text contains all of the words.
func mentions(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%q does not mention %q", text, word)
		}
	}
}
