// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// getGroup reads the ScimGroup of a SCIM id.
func getGroup(t *testing.T, d *harness.Directory, id string) (*v1alpha1.ScimGroup, error) {
	t.Helper()
	name, _, _ := v1alpha1.SplitSCIMID(id)
	group := &v1alpha1.ScimGroup{}
	return group, d.Admin.Get(t.Context(), d.Key(name), group)
}

// awaitGroupReason waits until a group's entry in an app has a reason, "" for none while it is pushed, and gives back the entry.
func awaitGroupReason(t *testing.T, d *harness.Directory, id, app, reason string) v1alpha1.PushedGroupStatus {
	t.Helper()
	var entry v1alpha1.PushedGroupStatus
	harness.Eventually(t, "the group's entry says "+reason, func() error {
		group, err := getGroup(t, d, id)
		if err != nil {
			return err
		}
		have := group.Status.App(app)
		if have == nil || have.Reason != reason || (reason == "" && have.State != v1alpha1.GroupPushed) {
			return fmt.Errorf("status is %+v", group.Status)
		}
		entry = *have
		return nil
	})
	return entry
}

// awaitMembers waits until an app's group has these members.
func awaitMembers(t *testing.T, fake *fakeapp.App, displayName string, members ...string) fakeapp.Group {
	t.Helper()
	members = slices.Sorted(slices.Values(members))
	var group fakeapp.Group
	harness.Eventually(t, "the group "+displayName+" has its members", func() error {
		var ok bool
		if group, ok = fake.Group(displayName); !ok || !slices.Equal(group.Members, members) {
			return fmt.Errorf("the app has %+v, want the members %v", group, members)
		}
		return nil
	})
	return group
}

// TestPredefinedGroupIsWaitedForAndThenFollowed: R-Service wants its organizations predefined (S51), and a push makes no accounts (S87).
func TestPredefinedGroupIsWaitedForAndThenFollowed(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "desk", fakeapp.RService, pushing([]string{"Support"}))
	d.Mapping(t, "desk", "desk", named("user-0@corp.test", "user-1@corp.test"))
	op := d.Run(t)
	d.AwaitReady(t, "desk")
	ids := pushUsers(t, op, 3)
	awaitAll(t, d, ids[:2], "desk", v1alpha1.AccountActive)
	remote := remoteIDs(t, d, ids[:2], "desk")
	group := op.CreateGroup(t, "Support", ids...)
	entry := awaitGroupReason(t, d, group, "desk", v1alpha1.ReasonTargetGroupNotPredefined)
	if entry.NextRetryTime == nil {
		t.Errorf("it is not tried again: %+v", entry)
	}
	if n := fake.Counts()[fakeapp.GroupsCreate]; n != 0 || len(fake.Groups()) != 0 {
		t.Errorf("the app got %d creates of groups and has %v", n, fake.Groups())
	}

	remoteGroup, err := fake.AddGroup("Support", "")
	if err != nil {
		t.Fatal(err)
	}
	// A person who has made the group there need not wait for the next try.
	annotate(t, d, "desk", v1alpha1.AnnotationReconcile, "the group is there")
	entry = awaitGroupReason(t, d, group, "desk", v1alpha1.ReasonMembersPending)
	if entry.RemoteID != remoteGroup || entry.Created || entry.Members != 2 || !strings.HasPrefix(entry.Message, "1 member") {
		t.Errorf("the entry is %+v, want %s with two members and one left out", entry, remoteGroup)
	}
	awaitMembers(t, fake, "Support", remote...)
	if n := len(fake.Users()); n != 2 {
		t.Errorf("the push made accounts: the app has %d", n)
	}

	op.Want(t, 204, "PATCH", "/Groups/"+group, harness.PatchBody(harness.RemoveMember(ids[0])))
	awaitMembers(t, fake, "Support", remote[1])
	op.Want(t, 204, "PATCH", "/Groups/"+group, harness.PatchBody(harness.AddMembers(ids[0])))
	awaitMembers(t, fake, "Support", remote...)

	// An account that comes or goes brings or takes the membership.
	harness.Change(t, d, "desk", &v1alpha1.ScimRoleMapping{}, func(m *v1alpha1.ScimRoleMapping) {
		m.Spec.Subjects.Users = []string{"user-0@corp.test", "user-2@corp.test"}
	})
	d.AwaitAccount(t, ids[2], "desk", v1alpha1.AccountActive)
	d.AwaitAccount(t, ids[1], "desk", v1alpha1.AccountInactive)
	awaitMembers(t, fake, "Support", remote[0], d.User(t, ids[2]).Status.Account("desk").RemoteID)

	op.Want(t, 204, "PATCH", "/Groups/"+group, harness.PatchBody(`{"op":"replace","value":{"id":"`+group+`","displayName":"Help Desk"}}`))
	harness.Eventually(t, "the new name is in the app", func() error {
		if groups := fake.Groups(); len(groups) != 1 || groups[0].DisplayName != "Help Desk" || groups[0].ID != remoteGroup {
			return fmt.Errorf("the app has %+v", groups)
		}
		return nil
	})

	// A group that was there before stays when the identity provider deletes its own.
	op.Want(t, 204, "DELETE", "/Groups/"+group, "")
	awaitGroupGone(t, d, group)
	if n := fake.Counts()[fakeapp.GroupsDelete]; n != 0 || len(fake.Groups()) != 1 {
		t.Errorf("the app got %d deletions and has %v", n, fake.Groups())
	}
}

func awaitGroupGone(t *testing.T, d *harness.Directory, id string) {
	t.Helper()
	harness.Eventually(t, "the ScimGroup is gone", func() error {
		if group, err := getGroup(t, d, id); err == nil {
			return fmt.Errorf("it is there: %+v", group.Status)
		}
		return nil
	})
}

// TestGroupIsMadeInAnAppThatTakesIt: and deleted with the one that it was made for.
func TestGroupIsMadeInAnAppThatTakesIt(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, pushing([]string{"Sales"}))
	d.Mapping(t, "sales", "crm", inGroups("Sales"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	bystander(t, d, op, "crm")
	ids := pushUsers(t, op, 3)
	group := op.CreateGroup(t, "Sales", ids...)
	awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
	remote := remoteIDs(t, d, ids, "crm")
	made := awaitMembers(t, fake, "Sales", slices.Clone(remote)...)
	harness.Eventually(t, "the status counts the members", func() error {
		if entry := awaitGroupReason(t, d, group, "crm", ""); entry.RemoteID != made.ID || !entry.Created || entry.Members != 3 {
			return fmt.Errorf("the entry is %+v", entry)
		}
		return nil
	})
	if n := fake.Counts()[fakeapp.GroupsCreate]; n != 1 {
		t.Errorf("%d creates of one group", n)
	}

	op.Want(t, 200, "PATCH", "/Users/"+ids[0], harness.PatchBody(harness.SetActive(false)))
	d.AwaitAccount(t, ids[0], "crm", v1alpha1.AccountInactive)
	awaitMembers(t, fake, "Sales", remote[1:]...)

	op.Want(t, 204, "DELETE", "/Groups/"+group, "")
	awaitGroupGone(t, d, group)
	if groups := fake.Groups(); len(groups) != 0 {
		t.Errorf("the app has %+v", groups)
	}
}

// TestGroupOfAnothersMakingIsLinkedOnlyWithGroupLinking: two features of Okta, "Group Push" and "Enhanced Group Push".
func TestGroupOfAnothersMakingIsLinkedOnlyWithGroupLinking(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, pushing([]string{"Sales"}))
	remoteGroup, err := fake.AddGroup("sales", "")
	if err != nil {
		t.Fatal(err)
	}
	d.Mapping(t, "sales", "crm", named("user-0@corp.test"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	ids := pushUsers(t, op, 1)
	awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
	fake.ResetCalls()
	group := op.CreateGroup(t, "Sales", ids...)
	awaitGroupReason(t, d, group, "crm", v1alpha1.ReasonAccountConflict)
	noWrites(t, fake, watched)
	if members := fake.Groups()[0].Members; len(members) != 0 {
		t.Errorf("the app's group has the members %v", members)
	}

	harness.Change(t, d, "crm", &v1alpha1.ScimApp{}, func(app *v1alpha1.ScimApp) {
		app.Spec.Features = append(app.Spec.Features, v1alpha1.FeatureGroupLinking)
	})
	entry := awaitGroupReason(t, d, group, "crm", "")
	if entry.RemoteID != remoteGroup || entry.Created {
		t.Errorf("the entry is %+v, want the app's group %s", entry, remoteGroup)
	}
	awaitMembers(t, fake, "Sales", remoteIDs(t, d, ids, "crm")...)
	if n := len(fake.Groups()); n != 1 {
		t.Errorf("the app has %d groups", n)
	}
}

// TestOnlyListedGroupsArePushed: the list of S68 is apart from the groups that mappings name.
func TestOnlyListedGroupsArePushed(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, pushing([]string{"Listed"}))
	d.Mapping(t, "all", "crm", inGroups("Everyone"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	ids := pushUsers(t, op, 2)
	op.CreateGroup(t, "Everyone", ids...)
	awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
	listed := op.CreateGroup(t, "Listed", ids[0])
	awaitMembers(t, fake, "Listed", remoteIDs(t, d, ids[:1], "crm")...)
	if n := len(fake.Groups()); n != 1 {
		t.Errorf("the app has %d groups", n)
	}

	// A group that is taken off the list stays in the app as it is ("unlink").
	harness.Change(t, d, "crm", &v1alpha1.ScimApp{}, func(app *v1alpha1.ScimApp) { app.Spec.Groups = nil })
	harness.Eventually(t, "the group is let go", func() error {
		if group, err := getGroup(t, d, listed); err != nil || len(group.Status.Apps) > 0 {
			return fmt.Errorf("status %+v, error %w", group.Status, err)
		}
		return nil
	})
	op.Want(t, 204, "PATCH", "/Groups/"+listed, harness.PatchBody(harness.AddMembers(ids[1])))
	fake.ResetCalls()
	noCalls(t, fake, watched)
	awaitMembers(t, fake, "Listed", remoteIDs(t, d, ids[:1], "crm")...)
}
