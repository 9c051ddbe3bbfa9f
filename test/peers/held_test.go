// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package peers

import (
	"fmt"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/test/harness"
)

// hold expects that the guard holds the revocations of people who leave a group, release that it does not any more.
func (w *world) hold(group string, numbers ...int) {
	for _, number := range numbers {
		w.held[number] = group
	}
}

func (w *world) release(numbers ...int) {
	for _, number := range numbers {
		delete(w.held, number)
	}
}

// awaitHeld waits until the guard holds so many changes and gives back the digests of their batches.
func (w *world) awaitHeld(t *testing.T, changes int) (digests []string) {
	t.Helper()
	harness.Eventually(t, "the guard holds the changes", func() error {
		app := w.scimApp(t)
		if int(app.Status.Held) != changes || !isTrue(app.Status.Conditions, v1alpha1.ConditionMassChangeHeld) {
			return fmt.Errorf("held are %d changes in %+v", app.Status.Held, app.Status.Batches)
		}
		digests = nil
		for _, batch := range app.Status.Batches {
			digests = append(digests, batch.Digest)
		}
		return nil
	})
	return digests
}

// approve has a person release what is held, batch by batch, until nothing is.
func (w *world) approve(t *testing.T) {
	t.Helper()
	harness.Eventually(t, "nothing is held", func() error {
		batches := w.scimApp(t).Status.Batches
		if len(batches) == 0 {
			return nil
		}
		harness.Change(t, w.directory, appName, &v1alpha1.ScimApp{}, func(a *v1alpha1.ScimApp) {
			a.Annotations = map[string]string{v1alpha1.AnnotationApproveBatch: batches[0].Digest}
		})
		return fmt.Errorf("held is %+v", batches)
	})
}

func (w *world) scimApp(t *testing.T) *v1alpha1.ScimApp {
	t.Helper()
	app := &v1alpha1.ScimApp{}
	if err := w.directory.Admin.Get(t.Context(), w.directory.Key(appName), app); err != nil {
		t.Fatal(err)
	}
	return app
}
