// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rolemapping

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/mapping"
	"github.com/scim-operator/scim-operator/internal/resource"
)

// tallies remember for whom the expressions of mappings are true: all users are looked at once for an expression, and after that only those that changed. Only
// the reconciler's one worker looks; events of users only say who has changed.
type tallies struct {
	mu sync.Mutex
	of map[string]map[string]*tally // by namespace and name of the mapping
}

// tally is for whom one expression is true.
type tally struct {
	expression string
	// condition is nil where the expression does not compile.
	condition *mapping.Condition
	// matched are the object names of the users for whom it is true; failed is, for those for whom it could not be evaluated, why.
	matched map[string]bool
	failed  map[string]string
	// changed are the users to look at, guarded by the lock of the tallies. all: at everybody.
	changed map[string]bool
	all     bool
}

// touch notes that a user has changed, and gives the mappings that have to be counted again.
func (t *tallies) touch(namespace, user string) []types.NamespacedName {
	t.mu.Lock()
	defer t.mu.Unlock()
	var keys []types.NamespacedName
	for name, tally := range t.of[namespace] {
		tally.changed[user] = true
		keys = append(keys, types.NamespacedName{Namespace: namespace, Name: name})
	}
	return keys
}

// take is the tally of a mapping and who has to be looked at; a new one if the expression is another one than before.
func (t *tallies) take(key types.NamespacedName, expression string) (have *tally, changed map[string]bool, all bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	have = t.of[key.Namespace][key.Name]
	if have == nil || have.expression != expression {
		have = &tally{expression: expression, all: true}
		have.condition, _ = mapping.CompileCondition(expression)
		if t.of == nil {
			t.of = map[string]map[string]*tally{}
		}
		if t.of[key.Namespace] == nil {
			t.of[key.Namespace] = map[string]*tally{}
		}
		t.of[key.Namespace][key.Name] = have
	}
	changed, all = have.changed, have.all
	have.changed, have.all = map[string]bool{}, false
	return have, changed, all
}

// recount has everybody looked at for a mapping: events of users may have been lost.
func (t *tallies) recount(key types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if have := t.of[key.Namespace][key.Name]; have != nil {
		have.all = true
	}
}

// keys are the mappings that have a tally.
func (t *tallies) keys() []types.NamespacedName {
	t.mu.Lock()
	defer t.mu.Unlock()
	var keys []types.NamespacedName
	for namespace, of := range t.of {
		for name := range of {
			keys = append(keys, types.NamespacedName{Namespace: namespace, Name: name})
		}
	}
	return keys
}

// back gives back who could not be looked at.
func (t *tallies) back(tally *tally, changed map[string]bool, all bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.Copy(tally.changed, changed)
	tally.all = tally.all || all
}

// forget drops the tally of a mapping that is gone or has no expression.
func (t *tallies) forget(key types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of[key.Namespace], key.Name)
	if len(t.of[key.Namespace]) == 0 {
		delete(t.of, key.Namespace)
	}
}

// tally is the tally of a mapping's expression as the cache is now, nil if it has none.
func (r *Reconciler) tally(ctx context.Context, key types.NamespacedName, expression string) (*tally, error) {
	if expression == "" {
		r.tallies.forget(key)
		return nil, nil
	}
	have, changed, all := r.tallies.take(key, expression)
	if have.condition == nil {
		// What is wrong with it stands in the status.
		return have, nil
	}
	err := r.count(ctx, key.Namespace, have, changed, all)
	if err != nil {
		r.tallies.back(have, changed, all)
	}
	return have, err
}

// count evaluates the expression for those who have to be looked at.
func (r *Reconciler) count(ctx context.Context, namespace string, t *tally, changed map[string]bool, all bool) error {
	if all {
		var users v1alpha1.ScimUserList
		if err := r.Client.List(ctx, &users, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
			return fmt.Errorf("listing the users: %w", err)
		}
		t.matched, t.failed = map[string]bool{}, map[string]string{}
		for i := range users.Items {
			t.look(users.Items[i].Name, &users.Items[i])
		}
		return nil
	}
	for name := range changed {
		user := &v1alpha1.ScimUser{}
		err := r.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, user, client.UnsafeDisableDeepCopy)
		switch {
		case apierrors.IsNotFound(err):
			user = nil
		case err != nil:
			return fmt.Errorf("reading a user: %w", err)
		}
		t.look(name, user)
	}
	return nil
}

// look evaluates the expression for a user, who is nil if there is none of that name.
func (t *tally) look(name string, user *v1alpha1.ScimUser) {
	delete(t.matched, name)
	delete(t.failed, name)
	if user == nil || !user.Admitted() || !user.DeletionTimestamp.IsZero() {
		return
	}
	switch holds, problem := t.condition.Holds(resource.Variables(user)); {
	case problem != "":
		t.failed[name] = problem
	case holds:
		t.matched[name] = true
	}
}

// users are the object names of those for whom it is true: to be read only, until the next count.
func (t *tally) users() map[string]bool {
	if t == nil {
		return nil
	}
	return t.matched
}

// problems are why the expression could not be evaluated, each reason once, sorted.
func (t *tally) problems() []string {
	reasons := map[string]bool{}
	for _, problem := range t.failed {
		reasons[problem] = true
	}
	return slices.Sorted(maps.Keys(reasons))
}
