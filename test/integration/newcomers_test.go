// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// TestNewcomerTakesEffectWhenTheNameIsFree: a user who is refused a userName gets it when the holder gives it up, by whatever way.
func TestNewcomerTakesEffectWhenTheNameIsFree(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "all", "crm", selectedBy(`user.displayName == "Made by hand"`))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	refused := func(name string) {
		t.Helper()
		awaitCondition(t, d, &v1alpha1.ScimUser{}, name, v1alpha1.ConditionReady, "False", v1alpha1.ReasonUserNameConflict)
	}
	for name, givesUp := range map[string]func(t *testing.T, userName, id string){
		"deleted": func(t *testing.T, _, id string) { op.Want(t, 204, "DELETE", "/Users/"+id, "") },
		"renamed": func(t *testing.T, userName, id string) {
			op.Want(t, 200, "PUT", "/Users/"+id, harness.UserBody("new-"+userName, "Kim", "Tester"))
		},
		"renamed-twice": func(t *testing.T, userName, id string) {
			for _, prefix := range []string{"new-", "newer-"} {
				op.Want(t, 200, "PUT", "/Users/"+id, harness.UserBody(prefix+userName, "Kim", "Tester"))
			}
		},
		"renamed-by-hand": func(t *testing.T, userName, id string) {
			harness.Change(t, d, d.User(t, id).Name, &v1alpha1.ScimUser{}, func(u *v1alpha1.ScimUser) { u.Spec.UserName = "hand-" + userName })
		},
	} {
		t.Run(name, func(t *testing.T) {
			userName := name + "@corp.test"
			holder := op.CreateUser(t, userName)
			handMade(t, d, name, userName, "")
			refused(name)
			if user := d.User(t, holder); meta.IsStatusConditionTrue(user.Status.Conditions, v1alpha1.ConditionStalled) {
				t.Errorf("the holder has a condition of it: %+v", user.Status)
			}
			givesUp(t, userName, holder)
			id := admitted(t, d, name)
			d.AwaitAccount(t, id, "crm", v1alpha1.AccountActive)
			awaitActive(t, fake, userName, true)
			harness.Eventually(t, "the condition is gone", func() error {
				if user := d.User(t, id); !meta.IsStatusConditionTrue(user.Status.Conditions, v1alpha1.ConditionReady) ||
					meta.FindStatusCondition(user.Status.Conditions, v1alpha1.ConditionStalled) != nil {
					return fmt.Errorf("status is %+v", user.Status)
				}
				return nil
			})
			if got := found(t, op.SCIM, "/Users", fmt.Sprintf("userName eq %q", userName)); len(got) != 1 || got[0] != id {
				t.Errorf("found %v", got)
			}
		})
	}

	t.Run("of two who wait one gets it", func(t *testing.T) {
		holder := op.CreateUser(t, "both@corp.test")
		handMade(t, d, "one", "both@corp.test", "")
		handMade(t, d, "other", "Both@corp.test", "")
		refused("one")
		refused("other")
		op.Want(t, 204, "DELETE", "/Users/"+holder, "")
		harness.Eventually(t, "one of them is admitted, and the other told who", func() error {
			users := 0
			for _, name := range []string{"one", "other"} {
				user := &v1alpha1.ScimUser{}
				if err := d.Admin.Get(t.Context(), d.Key(name), user); err != nil {
					return err
				}
				if user.Admitted() {
					users++
				}
			}
			if users != 1 {
				return fmt.Errorf("%d are admitted", users)
			}
			return nil
		})
	})
}

func TestNewcomerGroupTakesEffectWhenTheNameIsFree(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	op := d.Run(t)
	for _, way := range []string{"deleted", "renamed"} {
		handMadeGroup(t, d, way+"-first", "Team "+way, "")
		admittedGroup(t, d, way+"-first")
		handMadeGroup(t, d, way+"-second", "TEAM "+way, "")
		awaitCondition(t, d, &v1alpha1.ScimGroup{}, way+"-second", v1alpha1.ConditionReady, "False", v1alpha1.ReasonDisplayNameConflict)
		first := &v1alpha1.ScimGroup{}
		if err := d.Admin.Get(t.Context(), d.Key(way+"-first"), first); err != nil || meta.IsStatusConditionTrue(first.Status.Conditions, v1alpha1.ConditionStalled) {
			t.Errorf("the holder has a condition of it: %+v, %v", first.Status, err)
		}
		if way == "deleted" {
			d.Delete(t, first)
		} else {
			harness.Change(t, d, first.Name, first, func(g *v1alpha1.ScimGroup) { g.Spec.DisplayName = "Elsewhere" })
		}
		id := admittedGroup(t, d, way+"-second")
		awaitCondition(t, d, &v1alpha1.ScimGroup{}, way+"-second", v1alpha1.ConditionReady, "True", v1alpha1.ReasonSucceeded)
		if got := found(t, op.SCIM, "/Groups", fmt.Sprintf("displayName eq %q", "team "+way)); len(got) != 1 || got[0] != id {
			t.Errorf("found %v", got)
		}
	}
}
