// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/server"
)

// counting counts what goes to the API server, and lets the first writes fail.
type counting struct {
	client.Client
	reads, writes atomic.Int64
	// failures is how many writes are to fail.
	failures atomic.Int64
}

func (c *counting) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	c.reads.Add(1)
	return c.Client.Get(ctx, key, o, opts...)
}

func (c *counting) Status() client.SubResourceWriter { return countingStatus{c.Client.Status(), c} }

type countingStatus struct {
	client.SubResourceWriter
	c *counting
}

func (s countingStatus) Patch(ctx context.Context, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
	if s.c.failures.Add(-1) >= 0 {
		return errors.New("the API server is away")
	}
	err := s.SubResourceWriter.Patch(ctx, o, p, opts...)
	if err == nil {
		s.c.writes.Add(1)
	}
	return err
}

// recorder runs what writes tolerances, as one replica does.
func (e *endpoint) recorder() (*clients.Tolerances, *counting) {
	e.t.Helper()
	counted := &counting{Client: e.admin}
	recorder := clients.NewTolerances(counted, logr.Discard())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- recorder.Start(ctx) }()
	e.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			e.t.Error(err)
		}
	})
	return recorder, counted
}

// tolerances are those of which the status tells.
func (e *endpoint) tolerances() []string {
	e.t.Helper()
	sc := &v1alpha1.ScimClient{}
	if err := e.admin.Get(e.t.Context(), client.ObjectKey{Namespace: e.namespace, Name: "idp"}, sc); err != nil {
		e.t.Fatal(err)
	}
	return sc.Status.Tolerances
}

func TestTolerancesThatAreNeededStandInTheStatus(t *testing.T) {
	var e *endpoint
	later := &lateNoter{}
	e = start(t, "entra", func(o *server.Options) { o.Tolerances = later })
	recorder, counted := e.recorder()
	later.noter.Store(recorder)

	id := e.do("POST", "/Users", `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "kim@corp.test"}`).want(201).id()
	e.do("GET", "/Users/"+id, "").want(200)
	if got := e.tolerances(); len(got) != 0 {
		t.Errorf("standard requests needed %v", got)
	}
	// Several in one request are one write.
	counted.failures.Store(1)
	e.do("PATCH", "/Users/"+id, `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "Replace", "path": "active", "value": "False"}]}`).want(200)
	want := []string{"OperationCase", "StringBooleans"}
	eventually(t, "the status has both", func() bool { return slices.Equal(e.tolerances(), want) })
	// The write is counted when its answer is here, which may be after the status shows it.
	eventually(t, "it was one write", func() bool { return counted.writes.Load() == 1 })
	e.send("GET", e.base+"/Users/"+id, "", "Authorization", e.token).want(200)
	want = []string{"BareToken", "OperationCase", "StringBooleans"}
	eventually(t, "the status has the bare token", func() bool { return slices.Equal(e.tolerances(), want) })
	eventually(t, "the cache has it", func() bool {
		config, err := e.source.Client(t.Context(), e.namespace, "idp")
		return err == nil && slices.Equal(config.Tolerances, want)
	})
	eventually(t, "that was another write", func() bool { return counted.writes.Load() == 2 })
	// What stands there already asks the API server nothing.
	reads, writes := counted.reads.Load(), counted.writes.Load()
	for range 20 {
		e.send("PATCH", e.base+"/Users/"+id, `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "Replace", "path": "active", "value": "True"}]}`,
			"Authorization", e.token).want(200)
	}
	if counted.reads.Load() != reads || counted.writes.Load() != writes {
		t.Errorf("%d more reads and %d more writes", counted.reads.Load()-reads, counted.writes.Load()-writes)
	}
}

// lateNoter is a noter that is known only after the endpoint has started.
type lateNoter struct {
	noter atomic.Pointer[clients.Tolerances]
}

func (l *lateNoter) Note(scimClient types.NamespacedName, known []string, tolerance string) {
	l.noter.Load().Note(scimClient, known, tolerance)
}

// TestReplicasLoseNoTolerance has several that find different names at the same moment, while the controller writes its conditions.
func TestReplicasLoseNoTolerance(t *testing.T) {
	e := start(t, "entra")
	key := types.NamespacedName{Namespace: e.namespace, Name: "idp"}
	var want []string
	var all []*counting
	for r := range 4 {
		recorder, counted := e.recorder()
		all = append(all, counted)
		for n := range 5 {
			name := fmt.Sprintf("Tolerance%d", r*3+n)
			want = append(want, name)
			recorder.Note(key, nil, name)
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	i := 0
	eventually(t, "the status has all names", func() bool {
		i++
		before := &v1alpha1.ScimClient{}
		if err := e.admin.Get(t.Context(), key, before); err != nil {
			t.Fatal(err)
		}
		after := before.DeepCopy()
		kube.SetCondition(after, v1alpha1.ConditionReady, "True", v1alpha1.ReasonSucceeded, fmt.Sprint(i))
		// A conflict is the controller's loss, and it looks again.
		if _, err := kube.PatchStatus(t.Context(), e.admin, before, after); err != nil && !apierrors.IsConflict(err) {
			t.Fatal(err)
		}
		return slices.Equal(e.tolerances(), want)
	})
	var writes int64
	for _, c := range all {
		writes += c.writes.Load()
	}
	if writes > int64(len(want)) {
		t.Errorf("%d writes for %d names", writes, len(want))
	}
}

func TestToleranceOfAClientThatIsGoneIsForgotten(t *testing.T) {
	e := start(t, "entra")
	recorder, counted := e.recorder()
	recorder.Note(types.NamespacedName{Namespace: e.namespace, Name: "gone"}, nil, "BareToken")
	recorder.Note(types.NamespacedName{Namespace: e.namespace, Name: "idp"}, nil, "BareToken")
	eventually(t, "the status has it", func() bool { return slices.Equal(e.tolerances(), []string{"BareToken"}) })
	eventually(t, "both were looked at", func() bool { return counted.reads.Load() == 2 })
	if n := counted.writes.Load(); n != 1 {
		t.Errorf("%d writes", n)
	}
}
