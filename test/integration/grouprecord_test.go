// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"slices"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// TestMembersAreRecordedWhileAGroupCannotBeRead: a ScimGroupRecord follows the members as long as the app cannot show them, and ends with that.
func TestMembersAreRecordedWhileAGroupCannotBeRead(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, pushing([]string{"Sales"}))
	d.Mapping(t, "everybody", "crm", v1alpha1.Subjects{Expression: "true"})
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	ids := pushUsers(t, op, 4)
	awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
	remote := remoteIDs(t, d, ids, "crm")
	group := op.CreateGroup(t, "Sales", ids...)
	awaitMembers(t, fake, "Sales", slices.Clone(remote)...)
	awaitGroupReason(t, d, group, "crm", "")

	fake.Inject(fakeapp.Fault{Op: fakeapp.GroupsGet, Answer: &fakeapp.Answer{Status: 500}})
	op.Want(t, 204, "PATCH", "/Groups/"+group, harness.PatchBody(harness.RemoveMember(ids[0])))
	awaitMembers(t, fake, "Sales", slices.Clone(remote[1:])...)
	first := awaitRecord(t, d, "")
	op.Want(t, 204, "PATCH", "/Groups/"+group, harness.PatchBody(harness.RemoveMember(ids[1])))
	awaitMembers(t, fake, "Sales", slices.Clone(remote[2:])...)
	awaitRecord(t, d, first)

	fake.ClearFaults()
	harness.Eventually(t, "the record ends", func() error {
		records := &v1alpha1.ScimGroupRecordList{}
		if err := d.Admin.List(t.Context(), records, client.InNamespace(d.Namespace)); err != nil {
			return err
		}
		if n := len(records.Items); n > 0 {
			return fmt.Errorf("there are %d records", n)
		}
		return nil
	})
	awaitMembers(t, fake, "Sales", slices.Clone(remote[2:])...)
}

// awaitRecord waits until the members of the one group are recorded as another than before, and returns them.
func awaitRecord(t *testing.T, d *harness.Directory, before string) (members string) {
	t.Helper()
	harness.Eventually(t, "the members are recorded", func() error {
		records := &v1alpha1.ScimGroupRecordList{}
		if err := d.Admin.List(t.Context(), records, client.InNamespace(d.Namespace)); err != nil {
			return err
		}
		if len(records.Items) != 1 || string(records.Items[0].Spec.Members) == before {
			return fmt.Errorf("the records are %+v", records.Items)
		}
		members = string(records.Items[0].Spec.Members)
		return nil
	})
	return members
}
