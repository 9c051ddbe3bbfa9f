// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"testing"

	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/kube/kubetest"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

// Somebody else may remove the finalizer of a group. The delete event is then the last that is heard of it.
func TestNothingIsRememberedOfAGroupThatVanished(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(pt.Now)
	cache := &failingCache{Cache: pt.NewCache(), fails: func() bool { return false }}
	r := &Reconciler{Client: cache, View: pt.NewView(cache), Clock: clock}
	staff := pt.Group("staff")
	id := ledger.ID{Kind: ledger.Group, UID: staff.UID}
	l := r.View.Book.Ledger(pt.Key("crm"))
	l.SetRemovals(id, &ledger.Removals{Members: []string{"1"}})
	l.ReplaceVerdicts(map[ledger.ID]ledger.Verdict{id: {Effect: "RemoveMembers", Batch: "b"}})
	l.PutGroup(staff.UID, ledger.Outcome[v1alpha1.PushedGroupStatus]{})
	for _, watch := range r.Watches() {
		if _, ok := watch.Object.(*v1alpha1.ScimGroup); ok {
			watch.Handler.Delete(t.Context(), event.DeleteEvent{Object: staff}, kubetest.NewQueue(clock))
		}
	}
	if n := l.Len(); n > 0 || len(l.WaitingBatches()) > 0 {
		t.Errorf("%d entries are left, and the batches %q", n, l.WaitingBatches())
	}
}
