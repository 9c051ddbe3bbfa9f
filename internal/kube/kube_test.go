// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"context"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

func TestBackoffDoublesUpToItsLimit(t *testing.T) {
	for attempts, want := range map[int32]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 4: 8 * time.Second, 5: 10 * time.Second, 1000: 10 * time.Second} {
		if got := kube.Backoff(attempts, time.Second, 10*time.Second); got != want {
			t.Errorf("after %d attempts: %s, want %s", attempts, got, want)
		}
	}
}

func TestJitterAddsAtMostAFifth(t *testing.T) {
	for range 1000 {
		if got := kube.Jitter(10 * time.Second); got < 10*time.Second || got > 12*time.Second {
			t.Fatalf("got %s", got)
		}
	}
	if got := kube.Jitter(0); got != 0 {
		t.Errorf("no wait became %s", got)
	}
}

func TestASimulationDecidesTheJitter(t *testing.T) {
	t.Cleanup(func() { kube.JitterFrom(nil) })
	for number, want := range map[float64]time.Duration{0: 10 * time.Second, 0.5: 11 * time.Second} {
		kube.JitterFrom(func() float64 { return number })
		if got := kube.Jitter(10 * time.Second); got != want {
			t.Errorf("got %s for %v, want %s", got, number, want)
		}
	}
	if got := kube.Jitter(0); got != 0 {
		t.Errorf("no wait became %s", got)
	}
}

func TestTruncateCutsBetweenCharacters(t *testing.T) {
	long := strings.Repeat("é", kube.MaxMessage)
	if got := kube.EntryMessage(long); len(got) > kube.MaxEntryMessage || !utf8.ValidString(got) || !strings.HasSuffix(got, "...") {
		t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-6:])
	}
	if got := kube.EntryMessage("short"); got != "short" {
		t.Errorf("got %q", got)
	}
}

func TestOrderOfResourceVersions(t *testing.T) {
	for _, tc := range []struct {
		have, written string
		older         bool
	}{{"9", "10", true}, {"10", "10", false}, {"11", "10", false}, {"x", "10", false}} {
		user := &v1alpha1.ScimUser{}
		user.ResourceVersion = tc.have
		if got := kube.OlderThan(user, tc.written); got != tc.older {
			t.Errorf("%s is older than %s: %t", tc.have, tc.written, got)
		}
	}
}

func TestMetaChangedIsNoStatus(t *testing.T) {
	user := func(change func(*v1alpha1.ScimUser)) *v1alpha1.ScimUser {
		u := &v1alpha1.ScimUser{}
		u.Generation, u.UID = 1, "uid"
		if change != nil {
			change(u)
		}
		return u
	}
	for name, tc := range map[string]struct {
		after *v1alpha1.ScimUser
		want  bool
	}{
		"status":     {user(func(u *v1alpha1.ScimUser) { u.Status.Summary, u.ResourceVersion = "1/1", "2" }), false},
		"spec":       {user(func(u *v1alpha1.ScimUser) { u.Generation = 2 }), true},
		"annotation": {user(func(u *v1alpha1.ScimUser) { u.Annotations = map[string]string{"a": "b"} }), true},
		"finalizer":  {user(func(u *v1alpha1.ScimUser) { u.Finalizers = []string{"a"} }), true},
		"successor":  {user(func(u *v1alpha1.ScimUser) { u.UID = "another" }), true},
	} {
		if got := kube.MetaChanged(user(nil), tc.after); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestTriggerKeepsWhatComesBeforeTheControllerStarts(t *testing.T) {
	var trigger kube.Trigger
	kim, low := types.NamespacedName{Namespace: "corp", Name: "kim"}, types.NamespacedName{Namespace: "corp", Name: "low"}
	trigger.AddLow(low)
	trigger.Add(kim)
	queue := kube.FairQueue("", kube.RateLimiter())
	defer queue.ShutDown()
	trigger.Into(queue)
	for range 2 {
		for _, want := range []types.NamespacedName{kim, low} {
			got, _ := queue.Get()
			if got.NamespacedName != want {
				t.Errorf("got %v, want %v", got, want)
			}
			queue.Done(got)
		}
		trigger.AddLow(low)
		trigger.Add(kim)
	}
}
