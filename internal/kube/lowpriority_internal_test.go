// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func TestRequestsOfTheLowestPriorityComeLast(t *testing.T) {
	for name, tc := range map[string]struct {
		// steps add a request, at the lowest priority after "low "; "" takes one and is done with it.
		steps []string
		want  []string
	}{
		"after all others":                        {steps: []string{"low a/1", "low a/2", "b/1", "a/3", "", "", "", ""}, want: []string{"b/1", "a/3", "a/1", "a/2"}},
		"added again at the usual priority":       {steps: []string{"low a/1", "low a/2", "a/2", "", ""}, want: []string{"a/2", "a/1"}},
		"added again at the lowest priority":      {steps: []string{"a/1", "low b/1", "low a/1", "", ""}, want: []string{"a/1", "b/1"}},
		"lowest, usual, then its former place":    {steps: []string{"low a/1", "low b/1", "a/1", "", "low a/1", "", ""}, want: []string{"a/1", "a/1", "b/1"}},
		"the last one is raised, and another low": {steps: []string{"low a/1", "a/1", "low b/1", "", ""}, want: []string{"a/1", "b/1"}},
	} {
		t.Run(name, func(t *testing.T) {
			q := FairQueue("", RateLimiter())
			defer q.ShutDown()
			var got []string
			for _, step := range tc.steps {
				if step == "" {
					request, _ := q.Get()
					q.Done(request)
					got = append(got, request.String())
				} else if low, ok := strings.CutPrefix(step, "low "); ok {
					q.AddLow(req(low))
				} else {
					q.Add(req(step))
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || q.Len() != 0 {
				t.Errorf("%d are left; %s", q.Len(), diff)
			}
		})
	}
}

func TestRequestsOfTheLowestPriorityDoNotStarve(t *testing.T) {
	q := FairQueue("", RateLimiter())
	defer q.ShutDown()
	q.AddLow(req("a/low"))
	for taken := 1; ; taken++ {
		q.Add(req(fmt.Sprintf("a/%d", taken)))
		q.Add(req(fmt.Sprintf("b/%d", taken)))
		request, _ := q.Get()
		q.Done(request)
		if request == req("a/low") {
			return
		}
		if taken > lowShare {
			t.Fatalf("%d requests went before", taken)
		}
	}
}

// A request that is added while it is processed is not lost, at either priority.
func TestARequestOfTheLowestPriorityThatIsProcessedComesAgain(t *testing.T) {
	for name, add := range map[string]func(*LowQueue, reconcile.Request){"lowest": (*LowQueue).AddLow, "usual": func(q *LowQueue, r reconcile.Request) { q.Add(r) }} {
		t.Run(name, func(t *testing.T) {
			q := FairQueue("", RateLimiter())
			defer q.ShutDown()
			q.AddLow(req("a/1"))
			first, _ := q.Get()
			add(q, first)
			if q.Len() != 0 {
				t.Error("it is processed twice at once")
			}
			q.Done(first)
			if second, _ := q.Get(); second != first {
				t.Errorf("got %s", second)
			}
		})
	}
}
