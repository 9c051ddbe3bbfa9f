// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"fmt"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/internal/kube"
)

func request(namespace string, n int) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: fmt.Sprint(n)}}
}

func TestManyWorkersProcessEachRequestOfAFairQueueAlone(t *testing.T) {
	const namespaces, names, adders, workers = 5, 40, 8, 8
	q := kube.FairQueue("", kube.RateLimiter())
	var adding, working sync.WaitGroup
	var mu sync.Mutex
	active, processed := map[reconcile.Request]bool{}, map[reconcile.Request]int{}
	work := func(got reconcile.Request) {
		mu.Lock()
		if active[got] {
			t.Errorf("%s is processed twice at a time", got)
		}
		active[got] = true
		processed[got]++
		mu.Unlock()
		mu.Lock()
		active[got] = false
		mu.Unlock()
	}
	for range workers {
		working.Go(func() {
			for {
				got, shutdown := q.Get()
				if shutdown {
					return
				}
				work(got)
				q.Done(got)
			}
		})
	}
	for range adders {
		adding.Go(func() {
			for i := range namespaces * names {
				q.Add(request(fmt.Sprintf("n%d", i%namespaces), i/namespaces))
			}
		})
	}
	adding.Wait()
	q.ShutDown()
	working.Wait()
	if len(processed) != namespaces*names || q.Len() != 0 {
		t.Errorf("%d requests were processed, %d are left, want %d and none", len(processed), q.Len(), namespaces*names)
	}
	for got, times := range processed {
		if times > adders {
			t.Errorf("%s was processed %d times, added %d times", got, times, adders)
		}
	}
}

func TestAFairQueueDeduplicates(t *testing.T) {
	q := kube.FairQueue("", kube.RateLimiter())
	defer q.ShutDown()
	for range 3 {
		q.Add(request("a", 1))
	}
	if q.Len() != 1 {
		t.Errorf("%d requests, want 1", q.Len())
	}
	got, _ := q.Get()
	q.Add(got)
	if q.Len() != 0 {
		t.Errorf("%d requests while the only one is being processed, want none", q.Len())
	}
	q.Done(got)
	if q.Len() != 1 {
		t.Errorf("%d requests after it was added meanwhile, want 1", q.Len())
	}
}

// controller-runtime wraps a queue that is no priority queue of its own; a priority queue would be used in its own order.
func TestAFairQueueIsNoPriorityQueueAndHasTheUsualMetrics(t *testing.T) {
	q := kube.FairQueue("fair-queue-test", kube.RateLimiter())
	defer q.ShutDown()
	if _, ok := any(q).(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		t.Error("is a priority queue")
	}
	q.Add(request("a", 1))
	q.AddRateLimited(request("a", 2))
	got := map[string]float64{}
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "name" && label.GetValue() == "fair-queue-test" {
					got[family.GetName()] = metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
				}
			}
		}
	}
	for _, name := range []string{"workqueue_depth", "workqueue_adds_total", "workqueue_retries_total"} {
		if got[name] != 1 {
			t.Errorf("%s is %v, want 1, in %v", name, got[name], got)
		}
	}
}
