// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// The API server takes part: should it write its events in another form one day, they would not be trimmed any more.
func TestWhatTheAPIServerSendsOnAWatchIsTrimmed(t *testing.T) {
	w := newReadWorld(t)
	config := rest.CopyConfig(w.config)
	config.Wrap(kube.TrimWatches)
	watching, err := client.NewWithWatch(config, client.Options{Scheme: w.plain.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	events, err := watching.Watch(t.Context(), &v1alpha1.ScimUserList{}, client.InNamespace(w.user.Namespace))
	if err != nil {
		t.Fatal(err)
	}
	defer events.Stop()
	event, ok := <-events.ResultChan()
	if !ok {
		t.Fatal("the watch ended")
	}
	want := w.user.DeepCopy()
	if len(want.ManagedFields) == 0 {
		t.Fatal("the user has no managedFields to be taken out")
	}
	want.ManagedFields = nil
	got, ok := event.Object.(*v1alpha1.ScimUser)
	if !ok {
		t.Fatalf("%s %T", event.Type, event.Object)
	}
	want.TypeMeta = got.TypeMeta
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the event (-want +got):\n%s", diff)
	}
}
