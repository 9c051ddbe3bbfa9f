// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// req is the request "namespace/name".
func req(key string) reconcile.Request {
	namespace, name, _ := strings.Cut(key, "/")
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}
}

func TestEachNamespaceWithWorkGetsItsTurn(t *testing.T) {
	for name, tc := range map[string]struct {
		// steps are requests to push; "" pops one.
		steps []string
		want  []string
	}{
		"one namespace is first in, first out":     {steps: []string{"a/1", "a/2", "a/3", "", "", ""}, want: []string{"a/1", "a/2", "a/3"}},
		"two take turns":                           {steps: []string{"a/1", "a/2", "a/3", "b/1", "", "", "", ""}, want: []string{"a/1", "b/1", "a/2", "a/3"}},
		"the order of namespaces is that of adds":  {steps: []string{"c/1", "a/1", "b/1", "c/2", "", "", "", ""}, want: []string{"c/1", "a/1", "b/1", "c/2"}},
		"one that comes later waits for one round": {steps: []string{"a/1", "a/2", "b/1", "b/2", "", "c/1", "", "", "", ""}, want: []string{"a/1", "b/1", "a/2", "c/1", "b/2"}},
		"one that was emptied goes to the end":     {steps: []string{"a/1", "b/1", "b/2", "", "a/2", "", "", ""}, want: []string{"a/1", "b/1", "a/2", "b/2"}},
		"requests without a namespace have a lane": {steps: []string{"a/1", "a/2", "/x", "", "", ""}, want: []string{"a/1", "/x", "a/2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var q fairQueue
			var got []string
			for _, step := range tc.steps {
				if step == "" {
					got = append(got, q.Pop().String())
				} else {
					q.Push(req(step))
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if q.Len() != 0 || len(q.lanes) != 0 || len(q.turns) != 0 {
				t.Errorf("%d requests, %d lanes and %d turns are left", q.Len(), len(q.lanes), len(q.turns))
			}
		})
	}
}

func TestALargeNamespaceDelaysAnotherByOneRequest(t *testing.T) {
	var q fairQueue
	for i := range 10_000 {
		q.Push(req(fmt.Sprintf("large/%d", i)))
	}
	q.Push(req("small/1"))
	if first, second := q.Pop(), q.Pop(); first != req("large/0") || second != req("small/1") {
		t.Errorf("got %s, then %s", first, second)
	}
}

// fairModel is what the queue must hold, and how many requests of others each namespace with work has let pass.
type fairModel struct {
	requests map[string][]reconcile.Request
	passed   map[string]int
	size     int
}

func (m *fairModel) push(request reconcile.Request) {
	if len(m.requests[request.Namespace]) == 0 {
		m.passed[request.Namespace] = 0
	}
	m.requests[request.Namespace] = append(m.requests[request.Namespace], request)
	m.size++
}

// pop checks a request that the queue gave. The bound holds for the most namespaces that had work at any time: namespaces is all there are.
func (m *fairModel) pop(got reconcile.Request, namespaces int) error {
	waiting := m.requests[got.Namespace]
	if len(waiting) == 0 || waiting[0] != got {
		return fmt.Errorf("got %s, want the first of %v", got, waiting)
	}
	m.requests[got.Namespace] = waiting[1:]
	m.size--
	for namespace, requests := range m.requests {
		if namespace == got.Namespace || len(requests) == 0 {
			continue
		}
		if m.passed[namespace]++; m.passed[namespace] > namespaces-1 {
			return fmt.Errorf("%s let %d requests of others pass, with %d namespaces", namespace, m.passed[namespace], namespaces)
		}
	}
	m.passed[got.Namespace] = 0
	return nil
}

func TestNoRequestIsLostOrDoubledAndEveryNamespaceWaitsAtMostOneRound(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(2, seed))
		var q fairQueue
		m := &fairModel{requests: map[string][]reconcile.Request{}, passed: map[string]int{}}
		namespaces := 1 + random.IntN(8)
		for step := range 1000 {
			// Pushes prevail in the first half, so that there is work to share out.
			if m.size == 0 || step < 500 && random.IntN(5) > 0 {
				// Low numbers prevail: some namespaces have far more work than others.
				request := req(fmt.Sprintf("n%d/%d", random.IntN(1+random.IntN(namespaces)), step))
				q.Push(request)
				m.push(request)
				continue
			}
			if err := m.pop(q.Pop(), namespaces); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
		}
		for m.size > 0 {
			if err := m.pop(q.Pop(), namespaces); err != nil {
				t.Fatalf("seed %d, at the end: %v", seed, err)
			}
		}
		if q.Len() != 0 {
			t.Fatalf("seed %d: %d requests too many", seed, q.Len())
		}
	}
}

func BenchmarkFairQueue(b *testing.B) {
	for _, namespaces := range []int{1, 100} {
		b.Run(fmt.Sprintf("namespaces=%d", namespaces), func(b *testing.B) {
			var q fairQueue
			for i := range 10_000 {
				q.Push(req(fmt.Sprintf("n%d/%d", i%namespaces, i)))
			}
			for b.Loop() {
				q.Push(q.Pop())
			}
		})
	}
}
