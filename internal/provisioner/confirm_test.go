// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"strings"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

func TestAnnotationNamesAnAccount(t *testing.T) {
	for annotation, want := range map[string]bool{
		"": false, "crm/1": true, " wiki/2 , crm/1 ": true, "crm/10": false, "crm/": false, "/1": false, "wiki/1": false, "1": false,
	} {
		if got := names(annotation, "crm", "1"); got != want {
			t.Errorf("%q names crm/1: %t", annotation, got)
		}
	}
	if names("crm/", "crm", "") {
		t.Error("an empty id is named")
	}
	if command := annotate("scimuser", "kim", v1alpha1.AnnotationConfirmAccount, "crm", "kim@corp.test"); strings.Contains(command, "kim@") {
		t.Errorf("the command has an e-mail address: %s", command)
	}
}

func TestConfirmationsThatNothingWaitsForEnd(t *testing.T) {
	waits := func(app, id string) bool { return app == "crm" && (id == "1" || id == "x,y") }
	for annotation, want := range map[string]string{
		"": "", "crm/1": "crm/1", "crm/2": "", "wiki/1": "", "wiki/1, crm/1,crm/2": " crm/1", "crm/x,y": "crm/x,y", "none": "",
	} {
		if got := OpenConfirmations(annotation, waits); got != want {
			t.Errorf("of %q %q is left, want %q", annotation, got, want)
		}
	}
}

// A pushed group that the app answers with 404, which is no error of SCIM, while no account of ours can be read: a person ends the wait.
func TestAbsenceOfAGroupThatAPersonConfirms(t *testing.T) {
	w := newWorld(t, pushing)
	group := w.pushed()
	w.script.Groups = nil
	w.script.Always[connector.OpGetGroup] = failure(connector.OpGetGroup, connector.NotFound, 404)
	for range 2 {
		got := w.push(group)
		if got == nil || got.Entry.Reason != v1alpha1.ReasonAbsenceUnproven || !strings.Contains(got.Entry.Message, "'scim-operator.io/confirm-absence=crm/g1'") {
			t.Fatalf("the outcome is %+v", got)
		}
		w.writeGroup(group, got)
		w.clock.Step(settleTime + time.Hour)
	}
	group.Annotations = map[string]string{v1alpha1.AnnotationConfirmAbsence: "crm/g1"}
	w.cache.Put(group)
	got := w.push(group)
	if got == nil || got.Event != ledger.EventAbsenceConfirmed || got.Entry.State != v1alpha1.GroupCreating {
		t.Errorf("the outcome is %+v", got)
	}
}
