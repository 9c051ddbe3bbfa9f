// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

func all(*v1alpha1.AttributeFinding) bool { return true }

// A finding is new once, whatever the number of accounts; a lesser one does not hide it, and an answer that shows the value ends it after a while.
func TestFindingIsSaidOnce(t *testing.T) {
	p := newProcess(t)
	finding := func(kind v1alpha1.Finding, calls ...v1alpha1.AccountAction) v1alpha1.AttributeFinding {
		return v1alpha1.AttributeFinding{Name: "title", Finding: kind, Mapping: "m1", Calls: calls, Since: metav1.NewTime(p.book.Now())}
	}
	stored := []v1alpha1.AttributeFinding{finding(v1alpha1.FindingNotShown)}
	for _, tc := range []struct {
		name string
		find v1alpha1.AttributeFinding
		want bool
	}{
		{"the same as in status", finding(v1alpha1.FindingNotShown), false},
		{"a lesser one", finding(v1alpha1.FindingNormalized), false},
		{"a more severe one", finding(v1alpha1.FindingRefused, v1alpha1.ActionUpdate), true},
		{"the same again", finding(v1alpha1.FindingRefused, v1alpha1.ActionUpdate), false},
		{"in another call", finding(v1alpha1.FindingRefused, v1alpha1.ActionCreate), true},
	} {
		if got := p.Find(tc.find, &stored[0]); got != tc.want {
			t.Errorf("%s: new is %t", tc.name, got)
		}
	}
	known := p.Findings(stored, all)
	want := []v1alpha1.AttributeFinding{finding(v1alpha1.FindingRefused, v1alpha1.ActionCreate, v1alpha1.ActionUpdate)}
	if diff := cmp.Diff(want, known); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if none := p.Findings(stored, func(*v1alpha1.AttributeFinding) bool { return false }); len(none) > 0 {
		t.Errorf("findings of another mapping: %+v", none)
	}
	if p.Shows(&known[0]) {
		t.Error("it comes and goes with every account")
	}
	p.pass(time.Hour)
	if !p.Shows(&known[0]) || p.Shows(&known[0]) || len(p.Findings(stored, all)) > 0 {
		t.Error("it is not forgotten, or more than once")
	}
	if !p.Find(finding(v1alpha1.FindingDiffers), nil) {
		t.Error("it is not found again")
	}
}

func TestOneReadTellsOfAnAttribute(t *testing.T) {
	p := newProcess(t)
	names := []string{"title", "roles"}
	if !p.ReadFor(names) {
		t.Error("no read")
	}
	p.SetRead("title", true)
	p.SetRead("roles", false)
	if p.ReadFor(names) || p.Hides("title") || !p.Hides("roles") {
		t.Error("read again, or not remembered")
	}
	p.ForgetReads("roles")
	if p.Hides("roles") {
		t.Error("an answer has shown it")
	}
	for range 2 {
		p.ReadFor([]string{"locale"})
	}
	if !p.ReadFor([]string{"locale"}) || p.ReadFor([]string{"locale"}) {
		t.Error("reads that tell nothing are not bounded")
	}
}
