// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/connectortest"
)

// The provider renames and deletes the group in one push, and the app answers the deletion with 404. A lookup by the new name finds nothing, a read of the id does.
func TestRenamedGroupIsReadByItsIDBeforeItsDeletionIsBelieved(t *testing.T) {
	e := pushed(t, 3)
	e.app.Always[connector.OpDeleteGroup] = connectortest.NotFound(connector.OpDeleteGroup)
	group := e.stored("Sales")
	group.Spec.DisplayName = "Sales and marketing"
	e.Client.Put(group)
	e.delete("Sales")
	e.Run(2 * time.Hour)
	if entry := e.entry(); entry.Reason != v1alpha1.ReasonAbsenceUnproven || len(e.remote()) != 3 {
		t.Fatalf("the app has the members %q, the entry is %+v", e.remote(), entry)
	}

	delete(e.app.Always, connector.OpDeleteGroup)
	e.Run(time.Hour)
	if e.stored("Sales") != nil || len(e.app.Groups) > 0 {
		t.Errorf("the app has %+v, the entry is %+v", e.app.Groups, e.entry())
	}
}

// The app answers a change of the members with 404, and shows the group: the change is retried, and no other group is created.
func TestChangeAnsweredWithNotFoundWhileTheGroupExists(t *testing.T) {
	e := pushed(t, 3)
	e.app.Always[connector.OpUpdateGroup] = connectortest.NotFound(connector.OpUpdateGroup)
	e.members("Sales", e.users[:4]...)
	e.Run(2 * time.Hour)
	if entry := e.entry(); entry.Reason != v1alpha1.ReasonAbsenceUnproven || entry.RemoteID == "" || len(e.app.Groups) != 1 {
		t.Fatalf("the app has %+v, the entry is %+v", e.app.Groups, entry)
	}

	delete(e.app.Always, connector.OpUpdateGroup)
	e.Run(time.Hour)
	if len(e.remote()) != 4 || e.ready() != v1alpha1.ReasonSucceeded {
		t.Errorf("the app has the members %q, the entry is %+v", e.remote(), e.entry())
	}
}
