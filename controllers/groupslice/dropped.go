// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package groupslice

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// dropped are the slices that a group has named and names no longer, with the time at which that was seen.
type dropped struct {
	mu sync.Mutex
	at map[types.NamespacedName]map[string]time.Time // by group, by name of the slice
}

// note compares the slices of two versions of a group. It is false if all of the earlier are in the later.
func (d *dropped) note(group types.NamespacedName, before, after []v1alpha1.GroupSlice, now time.Time) bool {
	if len(before) == 0 {
		return false
	}
	kept := make(map[string]bool, len(after))
	for _, slice := range after {
		kept[slice.Name] = true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	some := false
	for _, slice := range before {
		if kept[slice.Name] {
			continue
		}
		if d.at == nil {
			d.at = map[types.NamespacedName]map[string]time.Time{}
		}
		if d.at[group] == nil {
			d.at[group] = map[string]time.Time{}
		}
		d.at[group][slice.Name], some = now, true
	}
	return some
}

// ripe are the slices that were dropped by then, and in how long the next one is.
func (d *dropped) ripe(group types.NamespacedName, then time.Time) (names map[string]bool, next time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	names = map[string]bool{}
	for name, at := range d.at[group] {
		wait := at.Sub(then)
		switch {
		case wait <= 0:
			names[name] = true
		case next == 0 || wait < next:
			next = wait
		}
	}
	return names, next
}

// forget drops slices that are gone.
func (d *dropped) forget(group types.NamespacedName, names map[string]bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name := range names {
		delete(d.at[group], name)
	}
	if len(d.at[group]) == 0 {
		delete(d.at, group)
	}
}
