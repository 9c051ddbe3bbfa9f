// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// attempts are the changes of accounts that are being made, or whose outcome never came: the app may have made them. Until the outcome is
// known their entries say that they are planned, so that a change which nobody wants any more is taken back.
type attempts struct {
	mu   sync.Mutex
	made map[attemptKey]plan.Step
}

type attemptKey struct {
	uid types.UID
	app string
}

// Attempt says that a change of an account is about to be made. It returns what has to be told how it went, once the outcome was put into the
// overlay.
func (v *View) Attempt(user *v1alpha1.ScimUser, app string, step plan.Step) (ended func(made, unknown bool)) {
	if step.Action == v1alpha1.ActionCreate {
		// Its intent stands in the status.
		return func(bool, bool) {}
	}
	key := attemptKey{uid: user.UID, app: app}
	a := &v.attempts
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.made == nil {
		a.made = map[attemptKey]plan.Step{}
	}
	before, doubt := a.made[key]
	a.made[key] = step
	return func(made, unknown bool) {
		a.mu.Lock()
		defer a.mu.Unlock()
		switch {
		case unknown:
		case !made && doubt:
			// Nothing was done about the one before.
			a.made[key] = before
		default:
			delete(a.made, key)
		}
	}
}

// mark lays the attempts over the entries, but for those whose outcome is there.
func (a *attempts) mark(view *UserView) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.made) == 0 {
		return
	}
	for i := range view.User.Status.Accounts {
		entry := &view.User.Status.Accounts[i]
		step, ok := a.made[attemptKey{uid: view.User.UID, app: entry.App}]
		if _, known := view.Outcomes[entry.App]; !ok || known {
			continue
		}
		if entry.Planned != step.Action {
			entry.Planned, entry.PlannedAttributes = step.Action, nil
		}
		attributes := slices.Concat(entry.PlannedAttributes, step.Set, step.Clear)
		slices.Sort(attributes)
		entry.PlannedAttributes = slices.Compact(attributes)
	}
}
