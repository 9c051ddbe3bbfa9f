// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// SlimUsers gives a transform for a cache. Its ScimUsers have no managedFields, which are half of an object and which nothing reads, and a status
// that takes half the memory.
//
// What is decoded from JSON has room for more entries in its lists, and each text and time once more. But objects of a cache are only read, and
// most texts of a status are those of many users: apps, states, roles, reasons, messages. All users share them, and the accounts of one user
// share equal times. A copy shares no time and no list.
//
// The spec stays as it is, so that a user who was just pushed costs hardly any time on its way.
func SlimUsers() toolscache.TransformFunc {
	all := shared{}
	return func(obj any) (any, error) {
		if user, ok := obj.(*v1alpha1.ScimUser); ok {
			user.ManagedFields = nil
			all.slim(&user.Status)
		}
		return obj, nil
	}
}

// shared is what users share. It may be used by many goroutines at once: there is an informer for each namespace.
type shared struct {
	mu    sync.Mutex
	texts known[string]
	lists known[[]string]
}

// known is by its text. A few hundred are in use; should there be many more, it begins anew, so that it does not grow.
type known[T any] map[string]T

const maxKnown = 1024

func (k *known[T]) add(text string, value T) {
	if *k == nil || len(*k) == maxKnown {
		*k = known[T]{}
	}
	(*k)[text] = value
}

func (s *shared) slim(status *v1alpha1.ScimUserStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	status.Conditions = tight(status.Conditions)
	for i := range status.Conditions {
		c := &status.Conditions[i]
		share(s, &c.Type)
		share(s, &c.Status)
		share(s, &c.Reason)
		share(s, &c.Message)
	}
	share(s, &status.Active)
	share(s, &status.Summary)
	status.Accounts = tight(status.Accounts)
	var seen times
	for i := range status.Accounts {
		a := &status.Accounts[i]
		share(s, &a.App)
		share(s, &a.State)
		share(s, &a.Planned)
		share(s, &a.HeldBatch)
		share(s, &a.Reason)
		share(s, &a.Message)
		a.Roles = s.list(a.Roles)
		a.PlannedAttributes = s.list(a.PlannedAttributes)
		for _, at := range []**metav1.Time{&a.ProvisionedTime, &a.UpdatedTime, &a.RevokedTime, &a.PendingRevocationTime, &a.NextRetryTime} {
			seen.share(at)
		}
	}
}

// share puts the known copy of a text in its place.
func share[T ~string](s *shared, text *T) {
	if *text == "" {
		return
	}
	have, ok := s.texts[string(*text)]
	if !ok {
		have = string(*text)
		s.texts.add(have, have)
	}
	*text = T(have)
}

// list is the known list of the same texts. What is in a text may be anything, so they are compared.
func (s *shared) list(list []string) []string {
	if len(list) == 0 {
		return list
	}
	key := strings.Join(list, "\x00")
	have, ok := s.lists[key]
	if !ok || !slices.Equal(have, list) {
		have = tight(list)
		s.lists.add(key, have)
	}
	return have
}

// tight is the list without room for more.
func tight[T any](list []T) []T {
	if len(list) == cap(list) {
		return list
	}
	exact := make([]T, len(list))
	copy(exact, list)
	return exact
}

// times are different ones of one user. Accounts are mostly made and changed together: more than these are not compared.
type times struct {
	known [16]*metav1.Time
	count int
}

// share puts the pointer that is known in the place of one to the same time.
func (t *times) share(at **metav1.Time) {
	if *at == nil {
		return
	}
	for _, known := range t.known[:t.count] {
		if known.Equal(*at) {
			*at = known
			return
		}
	}
	if t.count < len(t.known) {
		t.known[t.count] = *at
		t.count++
	}
}
