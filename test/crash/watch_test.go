// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/operator"
	"github.com/scim-operator/scim-operator/internal/scim"
	"github.com/scim-operator/scim-operator/test/harness"
)

// nameWatch follows every state that the users of a directory ever have, in the order of the API server's history.
type nameWatch struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu sync.Mutex
	// names by object, holders by folded name.
	names   map[string]string
	holders map[string]string
	events  int
	wrong   []string
}

func watchNames(t *testing.T, d *harness.Directory) *nameWatch {
	t.Helper()
	c, err := client.NewWithWatch(d.Env.Config, client.Options{Scheme: operator.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	stream, err := c.Watch(ctx, &v1alpha1.ScimUserList{}, client.InNamespace(d.Namespace))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	w := &nameWatch{cancel: cancel, done: make(chan struct{}), names: map[string]string{}, holders: map[string]string{}}
	t.Cleanup(w.stop)
	go func() {
		defer close(w.done)
		defer stream.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case event, ok := <-stream.ResultChan():
				if !ok {
					w.add("the watch ended")
					return
				}
				w.see(event)
			}
		}
	}()
	return w
}

func (w *nameWatch) stop() {
	w.cancel()
	<-w.done
}

func (w *nameWatch) add(wrong string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, wrong)
}

// see takes one state of one object.
func (w *nameWatch) see(event watch.Event) {
	user, ok := event.Object.(*v1alpha1.ScimUser)
	if !ok {
		w.add(fmt.Sprintf("the watch says %+v", event.Object))
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events++
	if former := w.names[user.Name]; former != "" && w.holders[former] == user.Name {
		delete(w.holders, former)
	}
	delete(w.names, user.Name)
	if event.Type == watch.Deleted || !user.Admitted() || !user.DeletionTimestamp.IsZero() {
		return
	}
	name := scim.Fold(user.Spec.UserName)
	if other := w.holders[name]; other != "" {
		w.wrong = append(w.wrong, fmt.Sprintf("at resourceVersion %s, %s and %s both had the userName %s", user.ResourceVersion, other, user.Name, name))
	}
	w.names[user.Name], w.holders[name] = name, user.Name
}

// verdict reports what was ever wrong.
func (w *nameWatch) verdict(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, wrong := range w.wrong {
		t.Error(wrong)
	}
	t.Logf("%d states of users seen", w.events)
	if w.events == 0 {
		t.Error("the watch has seen nothing")
	}
}
