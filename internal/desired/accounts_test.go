// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

func TestOnlyAnInactiveAccountHasNoAccessToLose(t *testing.T) {
	reactivation := &v1alpha1.AccountOperation{Types: []v1alpha1.AccountAction{v1alpha1.ActionReactivate}}
	for name, tc := range map[string]struct {
		account v1alpha1.Account
		want    bool
	}{
		"active":                    {v1alpha1.Account{State: v1alpha1.AccountActive, RemoteID: "1"}, true},
		"released":                  {v1alpha1.Account{State: v1alpha1.AccountOrphaned, RemoteID: "1"}, true},
		"inactive":                  {v1alpha1.Account{State: v1alpha1.AccountInactive, RemoteID: "1"}, false},
		"inactive, may be active":   {v1alpha1.Account{State: v1alpha1.AccountInactive, RemoteID: "1", Operation: reactivation}, true},
		"the account of nobody":     {v1alpha1.Account{State: v1alpha1.AccountActive, RemoteID: "2"}, true},
		"inactive, with another id": {v1alpha1.Account{State: v1alpha1.AccountInactive, RemoteID: "2"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			cache := pt.NewCache()
			tc.account.App = "crm"
			cache.Put(pt.User("ada", tc.account))
			got, err := pt.NewView(cache).HasActiveAccount(t.Context(), pt.Key("crm"), "1")
			if err != nil || got != tc.want {
				t.Errorf("got %t, %v, want %t", got, err, tc.want)
			}
		})
	}
}
