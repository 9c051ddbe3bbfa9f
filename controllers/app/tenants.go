// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// tenants records the tenant that each ScimApp claimed at its last reconcile, so that a change re-evaluates the ScimApps that it concerns. It
// decides nothing: who holds a tenant is read from the cache.
type tenants struct {
	mu sync.Mutex
	// version counts the changes of the claims.
	version int
	claims  map[types.NamespacedName]claim
	// checked is the version at which no other ScimApp held the app's tenant.
	checked map[types.NamespacedName]int
	// blocked has the holder of the tenant of each refused ScimApp.
	blocked map[types.NamespacedName]types.NamespacedName
}

// claim is a ScimApp with its tenant.
type claim struct {
	uid    types.UID
	tenant tenant
}

// claim records an app's tenant. It returns the ScimApps to re-evaluate: those that the app may block from now on, and those that it blocked.
func (t *tenants) claim(app *v1alpha1.ScimApp, own tenant) (wake []types.NamespacedName, version int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.claims == nil {
		t.claims, t.checked = map[types.NamespacedName]claim{}, map[types.NamespacedName]int{}
		t.blocked = map[types.NamespacedName]types.NamespacedName{}
	}
	key, now := client.ObjectKeyFromObject(app), claim{uid: app.UID, tenant: own}
	if t.claims[key] == now {
		return nil, t.version
	}
	t.version++
	t.claims[key] = now
	for other, theirs := range t.claims {
		if other != key && t.blocked[other] != key && sameTenant(own, theirs.tenant) {
			wake = append(wake, other)
		}
	}
	return sorted(append(wake, t.blockedBy(key)...)), t.version
}

// alone reports whether no other ScimApp held the app's tenant at the present version of the claims.
func (t *tenants) alone(key types.NamespacedName, version int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, checked := t.checked[key]
	return checked && at == version
}

// free records that no other ScimApp held the app's tenant at a version of the claims.
func (t *tenants) free(key types.NamespacedName, version int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.checked[key] = version
	delete(t.blocked, key)
}

// block records the holder of the app's tenant.
func (t *tenants) block(key, holder types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.checked, key)
	t.blocked[key] = holder
}

// drop forgets a deleted ScimApp and returns those that it blocked.
func (t *tenants) drop(key types.NamespacedName) []types.NamespacedName {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.version++
	delete(t.claims, key)
	delete(t.checked, key)
	delete(t.blocked, key)
	return sorted(t.blockedBy(key))
}

func (t *tenants) blockedBy(holder types.NamespacedName) []types.NamespacedName {
	var keys []types.NamespacedName
	for key, by := range t.blocked {
		if by == holder {
			keys = append(keys, key)
		}
	}
	return keys
}

func sorted(keys []types.NamespacedName) []types.NamespacedName {
	slices.SortFunc(keys, func(a, b types.NamespacedName) int { return cmp.Compare(a.String(), b.String()) })
	return keys
}
