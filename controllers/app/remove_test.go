// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// anyObject is a reader that has every object.
type anyObject struct{ client.Reader }

func (anyObject) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return nil
}

// acceptingClient accepts every patch.
type acceptingClient struct{ client.Client }

func (acceptingClient) Patch(context.Context, client.Object, client.Patch, ...client.PatchOption) error {
	return nil
}

// The ScimApp is deleted with deletionPolicy Deprovision. Its finalizer stays while an account may be active: for an inactive one, while an operation is unsettled.
func TestFinalizerOfADeletedAppStaysWhileAnAccountMayBeActive(t *testing.T) {
	now := metav1.NewTime(pt.Now)
	operation := &v1alpha1.AccountOperation{Types: []v1alpha1.AccountAction{v1alpha1.ActionReactivate}, StartTime: now}
	for name, tt := range map[string]struct {
		account v1alpha1.Account
		stays   bool
	}{
		"active":                    {v1alpha1.Account{State: v1alpha1.AccountActive}, true},
		"may have been created":     {v1alpha1.Account{State: v1alpha1.AccountCreating}, true},
		"may have been reactivated": {v1alpha1.Account{State: v1alpha1.AccountInactive, Planned: v1alpha1.ActionReactivate, Operation: operation}, true},
		"inactive":                  {v1alpha1.Account{State: v1alpha1.AccountInactive}, false},
		"released":                  {v1alpha1.Account{State: v1alpha1.AccountOrphaned}, false},
	} {
		t.Run(name, func(t *testing.T) {
			cache, app := pt.NewCache(), pt.App("crm")
			app.DeletionTimestamp, app.Finalizers = &now, []string{v1alpha1.FinalizerDeprovision}
			app.Spec.DeletionPolicy = v1alpha1.DeletionDeprovision
			tt.account.App, tt.account.RemoteID = "crm", "r1"
			cache.Put(app)
			cache.Put(pt.User("kim", tt.account))
			view := pt.NewView(cache)
			census, err := view.Census(t.Context(), pt.Key("crm"), pt.Now, nil)
			if err != nil {
				t.Fatal(err)
			}
			r := &Reconciler{Client: acceptingClient{}, Live: anyObject{}, View: view}
			s := &scope{key: pt.Key("crm"), app: app, census: census, connection: &connection{tested: true}}
			err = r.remove(t.Context(), s)
			if stays := len(s.app.Finalizers) > 0; stays != tt.stays {
				t.Errorf("the finalizer stays: %t, want %t (%v)", stays, tt.stays, err)
			}
		})
	}
}
