// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// attempt names everything that the result of a try depends on and that we know of.
type attempt [sha256.Size]byte

// patience knows what was tried last of what has failed. The wait after a failure is for the same try alone: a revocation does not wait
// because an update was refused, and what a person or the identity provider has mended is tried at once.
type patience struct {
	mu    sync.Mutex
	tried map[Key]attempt
}

func newPatience() *patience { return &patience{tried: map[Key]attempt{}} }

// wait is how long a try has to wait, if at all, for the time that its entry has. A failure of an earlier process is known by its entry
// only: changed says that the entry was written for something else.
func (p *patience) wait(key Key, what attempt, changed bool, next *metav1.Time, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if next == nil {
		delete(p.tried, key)
		return 0
	}
	before, known := p.tried[key]
	if !known {
		if !changed {
			before = what
		}
		p.tried[key] = before
	}
	if before != what {
		return 0
	}
	return next.Sub(now)
}

func (p *patience) failed(key Key, what attempt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tried[key] = what
}

func (p *patience) forget(key Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.tried, key)
}

func attemptOf(view *desired.UserView, account *desired.AccountView) attempt {
	return digest(account.App, view.User.Annotations, string(account.Step.Action), plan.HashValues(account.Wanted.Values).String())
}

func groupAttemptOf(view *desired.GroupView, pushed *desired.PushedGroupView) attempt {
	return digest(pushed.App, view.Group.Annotations, string(pushed.Step.Action), pushed.Creation, pushed.Wanted.Hash())
}

// digest of a try: a changed ScimApp counts, and so does a person who asks for another look at it or at the object.
func digest(app *desired.App, annotations map[string]string, parts ...any) attempt {
	return sha256.Sum256(fmt.Appendf(nil, "%q %d %q %q %q", app.Object.UID, app.Object.Generation,
		app.Object.Annotations[v1alpha1.AnnotationReconcile], annotations[v1alpha1.AnnotationReconcile], parts))
}
