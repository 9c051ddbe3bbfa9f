// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// looks are when large groups were last looked at. Members of such a group, and their accounts, may change many times a second; what the apps and the status say of the
// group follows at its own pace. Whether a user has an account does not depend on it.
type looks struct {
	mu sync.Mutex
	at map[types.NamespacedName]time.Time
}

// wait is how long the next look at a group has to wait, 0 for not at all.
func (l *looks) wait(group types.NamespacedName, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.at[group]
	if !ok {
		return 0
	}
	return max(0, largeEvery-now.Sub(at))
}

// looked notes a look at a group, if it is a large one.
func (l *looks) looked(group *v1alpha1.ScimGroup, now time.Time) {
	key := client.ObjectKeyFromObject(group)
	if len(group.Spec.Slices) == 0 {
		l.forget(key)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at == nil {
		l.at = map[types.NamespacedName]time.Time{}
	}
	l.at[key] = now
}

func (l *looks) forget(group types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.at, group)
}
