// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
)

// selections remember for the users of a namespace which expressions of the role mappings are true. The mass-change guard asks for all users of an app whenever
// something is to be taken from one; without this each count would evaluate every expression for everybody.
type selections struct {
	mu    sync.Mutex
	users map[string]selection
}

// selection is good as long as the user's spec is the same.
type selection struct {
	uid        types.UID
	generation int64
	selected   assignment.Selection
}

func newSelections() *selections { return &selections{users: map[string]selection{}} }

// of evaluates the expressions for a user, unless it has done so before.
func (s *selections) of(mappings *assignment.Snapshot, user *v1alpha1.ScimUser) assignment.Selection {
	if !mappings.HasExpressions() {
		return nil
	}
	s.mu.Lock()
	have, ok := s.users[user.Name]
	s.mu.Unlock()
	if ok && have.uid == user.UID && have.generation == user.Generation {
		return have.selected
	}
	have = selection{uid: user.UID, generation: user.Generation, selected: mappings.Select(user)}
	s.mu.Lock()
	s.users[user.Name] = have
	s.mu.Unlock()
	return have.selected
}

// forget drops a deleted user.
func (s *selections) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.users, name)
}

// forgetSelection drops what is remembered of a deleted user.
func (v *View) forgetSelection(key types.NamespacedName) {
	v.mu.Lock()
	have := v.snapshots[key.Namespace].selections
	v.mu.Unlock()
	if have != nil {
		have.forget(key.Name)
	}
}
