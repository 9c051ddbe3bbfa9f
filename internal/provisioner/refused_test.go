// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// refuser is an app that refuses attributes without naming them.
func refuser(refused ...string) func(string, connector.Attributes) error {
	return func(op string, sent connector.Attributes) error {
		for _, name := range refused {
			if sent[name] != nil {
				return failure(op, connector.Invalid, 400)
			}
		}
		return nil
	}
}

// many maps 16 attributes to texts.
func many(app *v1alpha1.ScimApp) {
	for i := range 16 {
		app.Spec.Attributes = append(app.Spec.Attributes, v1alpha1.AttributeMapping{
			Name: fmt.Sprintf("a%02d", i), Expression: fmt.Sprintf(`"v%d"`, i),
		})
	}
}

func attribute(i int) string { return fmt.Sprintf("a%02d", i) }

func TestRefusedAttributesAreFoundByHalves(t *testing.T) {
	for name, tc := range map[string]struct {
		refused []string
		calls   int
	}{
		"the first":            {[]string{attribute(0)}, 6},
		"the last":             {[]string{attribute(15)}, 6},
		"the left of a pair":   {[]string{attribute(14)}, 7},
		"two beside another":   {[]string{attribute(6), attribute(7)}, maxWrites},
		"two far from another": {[]string{attribute(1), attribute(12)}, maxWrites},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, many)
			kim := w.member("kim")
			values := w.desired(kim).Values
			written := plan.ParseApplied(kim.Status.Accounts[0].Applied)
			for i := range 16 {
				delete(written, attribute(i))
			}
			kim.Status.Accounts[0].Applied = written.String()
			w.announceAll(kim)
			w.script.Refuse = refuser(tc.refused...)
			w.script.TakeCalls()
			calls := 0
			for range 3 {
				w.write(kim, w.work("kim"))
				calls += len(w.script.TakeCalls())
				w.announceAll(kim)
				if w.step(kim).Action == "" {
					break
				}
			}
			if step := w.step(kim); !step.InSync || !slices.Equal(step.Rejected, tc.refused) {
				t.Errorf("the step is %+v", step)
			}
			if calls > 2*tc.calls {
				t.Errorf("%d calls, want about %d", calls, tc.calls)
			}
			for i := range 16 {
				if got := w.script.User("r-kim").Attributes[attribute(i)]; !slices.Contains(tc.refused, attribute(i)) && !cmp.Equal(got, values[attribute(i)]) {
					t.Errorf("%s is %v", attribute(i), got)
				}
			}
			if f := w.findings(); len(f) != len(tc.refused) {
				t.Errorf("findings %+v", f)
			}
		})
	}
}

// An app that refuses every change of an account refuses the account, not its attributes.
func TestAppThatRefusesEverythingBlamesNoAttribute(t *testing.T) {
	w := newWorld(t, many)
	kim := w.member("kim")
	kim.Status.Accounts[0].Applied = ""
	w.announceAll(kim)
	w.script.Refuse = func(op string, _ connector.Attributes) error { return failure(op, connector.Invalid, 400) }
	w.script.TakeCalls()
	got := w.work("kim")
	if got == nil || got.Entry.Reason != v1alpha1.ReasonRejected || len(w.findings()) > 0 {
		t.Errorf("the outcome is %+v, the findings %+v", got, w.findings())
	}
	if calls := w.script.TakeCalls(); len(calls) > maxWrites {
		t.Errorf("%d calls", len(calls))
	}
}

// The app takes one half of a refused change and then fails: the account may have that half, also if the user is as before by now.
func TestHalfOfAChangeThatWasWrittenStaysUnsettled(t *testing.T) {
	w := newWorld(t, many)
	w.clock.Step(settleTime + time.Second)
	kim := w.member("kim")
	written := plan.ParseApplied(kim.Status.Accounts[0].Applied)
	for i := range 16 {
		delete(written, attribute(i))
	}
	kim.Status.Accounts[0].Applied = written.String()
	w.announceAll(kim)
	accepted := false
	w.script.Refuse = func(op string, sent connector.Attributes) error {
		switch {
		case accepted:
			return failure(op, connector.RateLimited, 429)
		case sent[attribute(15)] != nil:
			return failure(op, connector.Invalid, 400)
		}
		accepted = true
		return nil
	}
	w.work("kim")
	if got := w.worker.ledger.Unsettled(idOf(kim)); !accepted || got == nil || !slices.Contains(got.Operation.Attributes, attribute(0)) {
		t.Errorf("one half was accepted: %t; the unsettled operation is %+v", accepted, got)
	}
}

// What is known to be refused by its value is left out first: nobody looks for it twice.
func TestNextAccountDoesNotSearchAgain(t *testing.T) {
	w := newWorld(t, many)
	w.script.Refuse = refuser(attribute(3))
	for i, name := range []string{"kim", "lee"} {
		user := w.member(name)
		written := plan.ParseApplied(user.Status.Accounts[0].Applied)
		for j := range 16 {
			delete(written, attribute(j))
		}
		user.Status.Accounts[0].Applied = written.String()
		w.announceAll(user)
		w.script.TakeCalls()
		w.write(user, w.work(name))
		calls := w.script.TakeCalls()
		calls = slices.DeleteFunc(calls, func(call string) bool { return call != connector.OpUpdateUser })
		if want := []int{7, 2}[i]; len(calls) > want {
			t.Errorf("%s took the calls %q, want at most %d", name, calls, want)
		}
	}
}

func (w *world) announceAll(user *v1alpha1.ScimUser) {
	user.Status.Accounts[0].Operation = &v1alpha1.AccountOperation{Types: []v1alpha1.AccountAction{v1alpha1.ActionUpdate}, MoreAttributes: 1}
	w.worker.ledger.Announced(idOf(user))
	w.put(user)
}

func (w *world) findings() []v1alpha1.AttributeFinding {
	return w.worker.ledger.Findings(nil, func(*v1alpha1.AttributeFinding) bool { return true })
}

// A path with a filter yields nothing in one account: the others are written all the same.
func TestPathWithAFilterThatYieldsNothingIsRefusedByOneAccount(t *testing.T) {
	const path = `phoneNumbers[type eq "work"].value`
	w := newWorld(t, func(app *v1alpha1.ScimApp) {
		app.Spec.Attributes = append(app.Spec.Attributes, v1alpha1.AttributeMapping{Name: path, Expression: `"+49 89 1"`})
	})
	kim := w.member("kim")
	written := plan.ParseApplied(kim.Status.Accounts[0].Applied)
	delete(written, path)
	kim.Status.Accounts[0].Applied = written.String()
	w.announceAll(kim)
	w.script.Refuse = func(op string, sent connector.Attributes) error {
		if sent[path] == nil {
			return nil
		}
		return &connector.Error{Op: op, Kind: connector.Invalid, Status: 400, ScimType: "noTarget", Attributes: []string{path}, Sent: true}
	}
	w.work("kim")
	if f := w.findings(); len(f) != 1 || f[0].Finding != v1alpha1.FindingValueRefused {
		t.Errorf("the findings are %+v", f)
	}
}
