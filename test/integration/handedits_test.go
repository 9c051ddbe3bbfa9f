// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// renameByHand changes a userName as kubectl edit does.
func renameByHand(t *testing.T, d *harness.Directory, id, userName string) {
	t.Helper()
	harness.Change(t, d, d.User(t, id).Name, &v1alpha1.ScimUser{}, func(u *v1alpha1.ScimUser) { u.Spec.UserName = userName })
}

// TestUserNameChangedByHandToAFreeOne: it takes effect, for SCIM and in the apps, and the identity provider's next push sets it back.
func TestUserNameChangedByHandToAFreeOne(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "all", "crm", selectedBy("user.active"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	kim := op.CreateUser(t, "kim@corp.test")
	d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
	renameByHand(t, d, kim, "kim.l@corp.test")
	awaitActive(t, fake, "kim.l@corp.test", true)
	if got := found(t, op.SCIM, "/Users", `userName eq "kim.l@corp.test"`); !slices.Equal(got, []string{kim}) {
		t.Errorf("found %v by the new name", got)
	}
	if got := found(t, op.SCIM, "/Users", `userName eq "kim@corp.test"`); len(got) != 0 {
		t.Errorf("found %v by the former name", got)
	}
	op.Want(t, 409, "POST", "/Users", harness.UserBody("Kim.L@corp.test", "Kim", "Tester"))

	op.Want(t, 200, "PUT", "/Users/"+kim, harness.UserBody("kim@corp.test", "kim", "Tester"))
	awaitActive(t, fake, "kim@corp.test", true)
	if n := len(fake.Users()); n != 1 || fake.Counts()[fakeapp.UsersCreate] != 1 {
		t.Errorf("the app has %d accounts: %v", n, fake.Counts())
	}
	awaitCondition(t, d, &v1alpha1.ScimUser{}, d.User(t, kim).Name, v1alpha1.ConditionReady, "True", v1alpha1.ReasonSucceeded)
}

// TestUserNameChangedByHandToATakenOne: the one that was changed is told, and nothing happens to either of them until it is set right.
func TestUserNameChangedByHandToATakenOne(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "all", "crm", selectedBy("user.active"))
	d.Mapping(t, "lee", "crm", named("lee@corp.test"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	kim, lee := op.CreateUser(t, "kim@corp.test"), op.CreateUser(t, "lee@corp.test")
	awaitAll(t, d, []string{kim, lee}, "crm", v1alpha1.AccountActive)
	before := d.User(t, lee)
	fake.ResetCalls()

	renameByHand(t, d, kim, "LEE@corp.test")
	message := awaitCondition(t, d, &v1alpha1.ScimUser{}, d.User(t, kim).Name, v1alpha1.ConditionReady, "False", v1alpha1.ReasonUserNameConflict)
	if !strings.Contains(message, d.User(t, lee).Name) || strings.Contains(message, "corp.test") {
		t.Errorf("the message is %q", message)
	}
	if got := found(t, op.SCIM, "/Users", `userName eq "lee@corp.test"`); !slices.Equal(got, []string{lee}) {
		t.Errorf("found %v", got)
	}
	// Nor does anything happen when the app is looked at anew.
	annotate(t, d, "crm", v1alpha1.AnnotationReconcile, "now")
	harness.Change(t, d, "all", &v1alpha1.ScimRoleMapping{}, func(m *v1alpha1.ScimRoleMapping) { m.Spec.Subjects.Expression = "user.active == true" })
	noWrites(t, fake, watched)
	if after := d.User(t, lee); after.Generation != before.Generation || after.Status.Summary != before.Status.Summary {
		t.Errorf("the holder was touched: %+v", after)
	}

	op.Want(t, 200, "PUT", "/Users/"+kim, harness.UserBody("kim@corp.test", "kim", "Tester"))
	awaitCondition(t, d, &v1alpha1.ScimUser{}, d.User(t, kim).Name, v1alpha1.ConditionReady, "True", v1alpha1.ReasonSucceeded)
	noWrites(t, fake, watched)
	for _, userName := range []string{"kim@corp.test", "lee@corp.test"} {
		if user, _ := fake.User(userName); !user.Active {
			t.Errorf("%s is not active", userName)
		}
	}
}

// TestGroupNameChangedByHand: to a taken one it is a condition on the group that was changed, which keeps its members' apps; to a free one it takes effect.
func TestGroupNameChangedByHand(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	op := d.Run(t)
	first, second := op.CreateGroup(t, "First"), op.CreateGroup(t, "Second")
	name := groupOf(t, d, second).Name
	rename := func(to string) {
		harness.Change(t, d, name, &v1alpha1.ScimGroup{}, func(g *v1alpha1.ScimGroup) { g.Spec.DisplayName = to })
	}
	rename("FIRST")
	awaitCondition(t, d, &v1alpha1.ScimGroup{}, name, v1alpha1.ConditionReady, "False", v1alpha1.ReasonDisplayNameConflict)
	if got := found(t, op.SCIM, "/Groups", `displayName eq "First"`); !slices.Equal(got, []string{first}) {
		t.Errorf("found %v", got)
	}
	rename("Third")
	awaitCondition(t, d, &v1alpha1.ScimGroup{}, name, v1alpha1.ConditionReady, "True", v1alpha1.ReasonSucceeded)
	if got := found(t, op.SCIM, "/Groups", `displayName eq "Third"`); !slices.Equal(got, []string{second}) {
		t.Errorf("found %v", got)
	}
	op.Want(t, 409, "POST", "/Groups", groupBody("third"))
}

// TestIDIsSetOnce: the API server refuses to clear or change an id; a finalizer that was taken off by hand comes back.
func TestIDIsSetOnce(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	op := d.Run(t)
	user, group := d.User(t, op.CreateUser(t, "kim@corp.test")), groupOf(t, d, op.CreateGroup(t, "Team"))
	for _, id := range []string{"", "another000000"} {
		for kind, object := range map[string]client.Object{
			"user":  func() client.Object { u := user.DeepCopy(); u.Spec.ID = id; return u }(),
			"group": func() client.Object { g := group.DeepCopy(); g.Spec.ID = id; return g }(),
		} {
			patch := client.RawPatch("application/merge-patch+json", []byte(fmt.Sprintf(`{"spec":{"id":%s}}`, map[bool]string{true: "null", false: `"` + id + `"`}[id == ""])))
			if err := d.Admin.Patch(t.Context(), object, patch); err == nil || !strings.Contains(err.Error(), "id is set once and never changes") {
				t.Errorf("the id of a %s may become %q: %v", kind, id, err)
			}
		}
	}
	harness.Change(t, d, user.Name, user, func(u *v1alpha1.ScimUser) { u.Finalizers = nil })
	harness.Change(t, d, group.Name, group, func(g *v1alpha1.ScimGroup) { g.Finalizers = nil })
	harness.Eventually(t, "the finalizers are back", func() error {
		u, g := d.User(t, user.SCIMID()), groupOf(t, d, group.SCIMID())
		if len(u.Finalizers) != 1 || len(g.Finalizers) != 1 {
			return fmt.Errorf("%v, %v", u.Finalizers, g.Finalizers)
		}
		return nil
	})
}

// TestRefusedUserNameReachesNoApp: not with what was due before either. lee, whose name it is, has no account that would be in the way.
func TestRefusedUserNameReachesNoApp(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "team", "crm", inGroups("Team"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	kim := op.CreateUser(t, "kim@corp.test")
	op.CreateUser(t, "lee@corp.test")
	team := op.CreateGroup(t, "Team", kim)
	d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
	// A change of the userName is due, and waits in the app's queue.
	if err := fake.Refuse(true); err != nil {
		t.Fatal(err)
	}
	op.Want(t, 200, "PUT", "/Users/"+kim, harness.UserBody("kimberly@corp.test", "Kimberly", "Tester"))
	harness.Eventually(t, "the change is planned", func() error {
		if entry := d.User(t, kim).Status.Account("crm"); entry.Planned != v1alpha1.ActionUpdate {
			return fmt.Errorf("the entry is %+v", entry)
		}
		return nil
	})
	awaitCondition(t, d, &v1alpha1.ScimApp{}, "crm", v1alpha1.ConditionReady, "False", v1alpha1.ReasonUnreachable)
	renameByHand(t, d, kim, "lee@corp.test")
	name := d.User(t, kim).Name
	awaitCondition(t, d, &v1alpha1.ScimUser{}, name, v1alpha1.ConditionReady, "False", v1alpha1.ReasonUserNameConflict)
	fake.ResetCalls()
	if err := fake.Refuse(false); err != nil {
		t.Fatal(err)
	}
	pat := op.CreateUser(t, "pat@corp.test")
	op.Want(t, 204, "PATCH", "/Groups/"+team, harness.PatchBody(harness.AddMembers(pat)))
	d.AwaitAccount(t, pat, "crm", v1alpha1.AccountActive)
	holdsFor(t, watched, func() error {
		if n := fake.Counts()[fakeapp.UsersPatch]; n > 0 {
			return fmt.Errorf("the app was written to: %v", fake.Counts())
		}
		return nil
	})

	renameByHand(t, d, kim, "kimberly@corp.test")
	awaitActive(t, fake, "kimberly@corp.test", true)
	awaitCondition(t, d, &v1alpha1.ScimUser{}, name, v1alpha1.ConditionReady, "True", v1alpha1.ReasonSucceeded)
	if user, _ := fake.User("kimberly@corp.test"); user.Attributes["displayName"] != "Kimberly Tester" {
		t.Errorf("what was due is not in the app: %v", user.Attributes)
	}
}
