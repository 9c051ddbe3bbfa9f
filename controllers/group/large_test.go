// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

func TestLooksAtLargeGroupsAreRare(t *testing.T) {
	var l looks
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	small, large := pt.Group("small", pt.User("kim")), pt.Group("large")
	large.Spec.Slices = []v1alpha1.GroupSlice{{Name: "s", Count: 1}}
	for _, group := range []*v1alpha1.ScimGroup{small, large} {
		if wait := l.wait(pt.Key(group.Name), now); wait != 0 {
			t.Errorf("the first look at %s waits %s", group.Name, wait)
		}
		l.looked(group, now)
	}
	for _, tc := range []struct {
		name  string
		after time.Duration
		want  time.Duration
	}{{"small", 0, 0}, {"large", 0, largeEvery}, {"large", largeEvery / 2, largeEvery / 2}, {"large", largeEvery, 0}} {
		if wait := l.wait(pt.Key(tc.name), now.Add(tc.after)); wait != tc.want {
			t.Errorf("%s after %s waits %s, want %s", tc.name, tc.after, wait, tc.want)
		}
	}
	large.Spec.Slices = nil
	l.looked(large, now)
	if wait := l.wait(pt.Key("large"), now); wait != 0 || len(l.at) > 0 {
		t.Errorf("a group that is large no longer waits %s", wait)
	}
}
