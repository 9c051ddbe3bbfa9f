// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package resync

import (
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// period is the resync period of the tests.
const period = 8 * time.Second

// world is a user, a group, an app and a role mapping, with a ScimClient.
type world struct {
	*harness.Directory
	t    *testing.T
	fake *fakeapp.App
}

// await waits for something that one resync brings, and says how long it took.
func (w *world) await(what string, check func() error) {
	w.t.Helper()
	begun := time.Now()
	harness.Eventually(w.t, what, check)
	w.t.Logf("%-50s %s", what, time.Since(begun).Round(100*time.Millisecond))
}

func (w *world) user() *v1alpha1.ScimUser {
	w.t.Helper()
	user := &v1alpha1.ScimUser{}
	if err := w.Admin.Get(w.t.Context(), w.Key("kim"), user); err != nil {
		w.t.Fatal(err)
	}
	return user
}

// access waits until kim's account is active or not, in the app and in the status.
func (w *world) access(what string, active bool) {
	w.t.Helper()
	state := map[bool]v1alpha1.AccountState{true: v1alpha1.AccountActive, false: v1alpha1.AccountInactive}[active]
	w.await(what, func() error {
		account, found := w.fake.User("kim@corp.test")
		entry := w.user().Status.Account("crm")
		if !found || account.Active != active || entry == nil || entry.State != state {
			return fmt.Errorf("the app has %+v, the status %+v", account, entry)
		}
		return nil
	})
}

// pushed waits until the group in the app has so many members.
func (w *world) pushed(what string, members int) {
	w.t.Helper()
	w.await(what, func() error {
		if group, found := w.fake.Group("staff"); !found || len(group.Members) != members {
			return fmt.Errorf("the app has %+v", group)
		}
		return nil
	})
}

func (w *world) setMembers(members ...v1alpha1.GroupMember) {
	w.t.Helper()
	harness.Change(w.t, w.Directory, "staff", &v1alpha1.ScimGroup{}, func(g *v1alpha1.ScimGroup) { g.Spec.Members = members })
}

func (w *world) setActive(active bool) {
	w.t.Helper()
	harness.Change(w.t, w.Directory, "kim", &v1alpha1.ScimUser{}, func(u *v1alpha1.ScimUser) { u.Spec.Active = &active })
}

// TestWithTheEventsOfOneKindLostEverythingArrives has one kind after the other whose events reach no queue. Each change arrives, by the resync where nothing else tells of it.
func TestWithTheEventsOfOneKindLostEverythingArrives(t *testing.T) {
	for name, kind := range map[string]client.Object{
		"ScimUser": &v1alpha1.ScimUser{}, "ScimGroup": &v1alpha1.ScimGroup{}, "ScimApp": &v1alpha1.ScimApp{}, "ScimRoleMapping": &v1alpha1.ScimRoleMapping{},
		"ScimClient": &v1alpha1.ScimClient{}, "Secret": &corev1.Secret{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{Directory: harness.NewDirectory(t), t: t}
			control(t, w.Directory, kind, period)
			w.fake = w.App(t, "crm", fakeapp.Generic, func(app *v1alpha1.ScimApp) {
				app.Spec.Features = append(app.Spec.Features, v1alpha1.FeaturePushGroups)
				app.Spec.Groups = []v1alpha1.PushedGroup{{DisplayName: "staff", Creation: v1alpha1.GroupCreate}}
			})
			w.Create(t, &v1alpha1.ScimUser{ObjectMeta: w.Meta("kim"), Spec: v1alpha1.ScimUserSpec{
				UserName: "kim@corp.test", Name: &v1alpha1.Name{GivenName: "Kim", FamilyName: "Tester"}, Emails: []v1alpha1.MultiValue{{Value: "kim@corp.test"}},
			}})
			w.await("the user is admitted", func() error {
				if !w.user().Admitted() {
					return errors.New("it is not")
				}
				return nil
			})
			kim := v1alpha1.GroupMember{Value: w.user().SCIMID(), Type: v1alpha1.MemberTypeUser}
			w.Create(t, &v1alpha1.ScimGroup{ObjectMeta: w.Meta("staff"), Spec: v1alpha1.ScimGroupSpec{DisplayName: "staff", Members: []v1alpha1.GroupMember{kim}}})
			w.Mapping(t, "staff", "crm", v1alpha1.Subjects{Groups: []string{"staff"}})
			w.changes(kim)
			w.ends()
		})
	}
}

// changes makes a change of each kind, and sees it arrive.
func (w *world) changes(kim v1alpha1.GroupMember) {
	w.t.Helper()
	w.access("the account is created", true)
	w.pushed("the group is pushed", 1)
	w.setMembers()
	w.access("a lost membership revokes", false)
	w.pushed("the member is removed from the pushed group", 0)
	w.setMembers(kim)
	w.access("a membership gives access", true)
	w.Delete(w.t, &v1alpha1.ScimRoleMapping{ObjectMeta: w.Meta("staff")})
	w.access("a deleted mapping revokes", false)
	w.Mapping(w.t, "staff", "crm", v1alpha1.Subjects{Groups: []string{"staff"}})
	w.access("a mapping gives access", true)
	w.setActive(false)
	w.access("a deactivated user loses access", false)
	w.setActive(true)
	w.access("an activated user has access", true)
}

// ends replaces credentials, and deletes the app and then the user.
func (w *world) ends() {
	w.t.Helper()
	w.fake.RotateToken("another-token")
	w.Secret(w.t, "crm-credentials", map[string]string{"token": "another-token"})
	w.setActive(false)
	w.access("a new token is used", false)
	w.await("the ScimClient is Ready", func() error {
		sc := &v1alpha1.ScimClient{}
		if err := w.Admin.Get(w.t.Context(), w.Key("okta"), sc); err != nil {
			return err
		}
		if !meta.IsStatusConditionTrue(sc.Status.Conditions, v1alpha1.ConditionReady) {
			return fmt.Errorf("status is %+v", sc.Status)
		}
		return nil
	})
	w.Delete(w.t, &v1alpha1.ScimApp{ObjectMeta: w.Meta("crm")})
	w.await("the account status of a deleted app is dropped", func() error {
		if accounts := w.user().Status.Accounts; len(accounts) > 0 {
			return fmt.Errorf("accounts are %+v", accounts)
		}
		return nil
	})
	w.Delete(w.t, &v1alpha1.ScimUser{ObjectMeta: w.Meta("kim")})
	w.await("a deleted user is gone", func() error {
		if err := w.Admin.Get(w.t.Context(), w.Key("kim"), &v1alpha1.ScimUser{}); err == nil || client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("it is there: %w", errors.Join(err, errors.New("not deleted")))
		}
		return nil
	})
}
