// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// TestLargeGroupGivesAccountsAsASmallOneDoes: a group whose members stand in slices, most of them not there yet.
func TestLargeGroupGivesAccountsAsASmallOneDoes(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "everybody", "crm", inGroups("All"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	ids := pushUsers(t, op, 3)
	const unknown = 1200
	members := []string{ids[0], "late.made-by-hand", ids[1]}
	for i := range unknown - 1 {
		members = append(members, fmt.Sprintf("nobody.%04d", i))
	}
	group := op.CreateGroup(t, "All", members...)
	name, _, _ := v1alpha1.SplitSCIMID(group)
	if n := len(slicesOf(t, d)); n != 3 {
		t.Fatalf("%d members stand in %d slices", len(members), n)
	}
	awaitAll(t, d, ids[:2], "crm", v1alpha1.AccountActive)
	awaitMembers := func(all, unresolved int32) {
		t.Helper()
		harness.Eventually(t, "the members are counted", func() error {
			g := &v1alpha1.ScimGroup{}
			if err := d.Admin.Get(t.Context(), d.Key(name), g); err != nil {
				return err
			}
			if g.Status.Members != all || g.Status.UnresolvedMembers != unresolved || len(g.Status.Unresolved) != 10 {
				return fmt.Errorf("the status is %d members, %d of them unresolved, such as %v", g.Status.Members, g.Status.UnresolvedMembers, g.Status.Unresolved)
			}
			return nil
		})
	}
	awaitMembers(unknown+2, unknown)
	bystander(t, d, op, "crm")
	fake.ResetCalls()

	// One who comes, one who goes, and one who was a member before there was a user of that id.
	op.Want(t, 204, "PATCH", "/Groups/"+group, harness.PatchBody(harness.AddMembers(ids[2])))
	d.AwaitAccount(t, ids[2], "crm", v1alpha1.AccountActive)
	op.Want(t, 204, "PATCH", "/Groups/"+group, harness.PatchBody(harness.RemoveMember(ids[1])))
	d.AwaitAccount(t, ids[1], "crm", v1alpha1.AccountInactive)
	late := &v1alpha1.ScimUser{ObjectMeta: d.Meta("late"), Spec: v1alpha1.ScimUserSpec{
		ID: "made-by-hand", UserName: "late@corp.test", Name: &v1alpha1.Name{GivenName: "Late", FamilyName: "Comer"},
	}}
	d.Create(t, late)
	d.AwaitAccount(t, "late.made-by-hand", "crm", v1alpha1.AccountActive)
	awaitMembers(unknown+2, unknown-1)
	if n := fake.Writes(); n != 3 {
		t.Errorf("%d changes of accounts, want one for each of the three: %v", n, fake.Counts())
	}

	// A deleted user leaves the group.
	op.Want(t, 204, "DELETE", "/Users/"+ids[0], "")
	awaitGone(t, d, ids[0])
	if answer := op.Want(t, 200, "GET", "/Groups/"+group, ""); strings.Contains(answer.Body, ids[0]) || !strings.Contains(answer.Body, ids[2]) {
		t.Error("the group still has the deleted user, or lost another")
	}
	if answer := op.Want(t, 200, "GET", "/Users/"+ids[2], ""); !strings.Contains(answer.Body, group) {
		t.Errorf("the user's groups: %s", answer.Body)
	}

	// A deleted group takes its slices with it, and the accounts that it gave.
	op.Want(t, 204, "DELETE", "/Groups/"+group, "")
	d.AwaitAccount(t, ids[2], "crm", v1alpha1.AccountInactive)
	d.AwaitAccount(t, "late.made-by-hand", "crm", v1alpha1.AccountInactive)
	harness.Eventually(t, "the group is gone", func() error {
		if err := d.Admin.Get(t.Context(), d.Key(name), &v1alpha1.ScimGroup{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("reading it: %w", err)
		}
		return nil
	})
	if left := slicesOf(t, d); len(left) > 0 {
		t.Errorf("%d slices are left over", len(left))
	}
}

func slicesOf(t *testing.T, d *harness.Directory) []v1alpha1.ScimGroupSlice {
	t.Helper()
	var list v1alpha1.ScimGroupSliceList
	if err := d.Admin.List(t.Context(), &list, client.InNamespace(d.Namespace)); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// TestLostSliceChangesNobodysAccounts: half a group is not taken for the whole, the status says what is missing, and a push mends it.
func TestLostSliceChangesNobodysAccounts(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "everybody", "crm", inGroups("All"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	ids := pushUsers(t, op, 2)
	members := []string{ids[0], ids[1]}
	for i := range 600 {
		members = append(members, fmt.Sprintf("nobody.%04d", i))
	}
	group := op.CreateGroup(t, "All", members...)
	name, _, _ := v1alpha1.SplitSCIMID(group)
	awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
	fake.ResetCalls()

	for _, slice := range slicesOf(t, d) {
		if slice.Spec.Members[0].Value == ids[0] {
			d.Delete(t, &slice)
		}
	}
	awaitCondition(t, d, &v1alpha1.ScimGroup{}, name, v1alpha1.ConditionReady, "False", v1alpha1.ReasonMembersMissing)
	harness.Change(t, d, d.User(t, ids[0]).Name, &v1alpha1.ScimUser{}, func(u *v1alpha1.ScimUser) { u.Annotations["touched"] = "true" })
	noCalls(t, fake, watched)
	if account, _ := fake.User("user-0@corp.test"); !account.Active {
		t.Error("the account is not active any more")
	}

	op.Want(t, 200, "PUT", "/Groups/"+group, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"All","members":`+harness.MemberList(ids[1])+`}`)
	d.AwaitAccount(t, ids[0], "crm", v1alpha1.AccountInactive)
	awaitCondition(t, d, &v1alpha1.ScimGroup{}, name, v1alpha1.ConditionReady, "True", v1alpha1.ReasonSucceeded)
	if account, _ := fake.User("user-1@corp.test"); !account.Active {
		t.Error("the other account is not active any more")
	}
}
