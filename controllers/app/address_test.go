// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// The ids that are recorded are those of the former address. At another tenant they may be those of strangers.
func TestAnotherAddressIsNotCalledWhileAccountsAreRecorded(t *testing.T) {
	const elsewhere = "https://elsewhere.test"
	for name, tc := range map[string]struct {
		remoteID, address string
		change            func(*v1alpha1.ScimApp)
		want, status      string
	}{
		"accounts are recorded": {remoteID: "r-kim", address: elsewhere, want: untested, status: "https://crm.test"},
		"none is recorded":      {address: elsewhere, want: runs, status: elsewhere},
		"the same address":      {remoteID: "r-kim", address: "https://crm.test:443/", want: runs, status: "https://crm.test:443/"},
		"a person accepts it": {remoteID: "r-kim", address: elsewhere, want: runs, status: elsewhere, change: func(app *v1alpha1.ScimApp) {
			app.Annotations = map[string]string{v1alpha1.AnnotationAcceptBaseURL: elsewhere}
		}},
		"a person accepts a third one": {remoteID: "r-kim", address: elsewhere, want: untested, status: "https://crm.test", change: func(app *v1alpha1.ScimApp) {
			app.Annotations = map[string]string{v1alpha1.AnnotationAcceptBaseURL: "https://third.test"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newSwitchboard(t, map[string]*tested{"t": {takes: time.Second}})
				app := b.put(pt.Namespace, "crm", "generic", "t", 0)
				app.Status.BaseURL = "https://crm.test"
				b.cache.Put(pt.User("kim", v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, RemoteID: tc.remoteID}))
				app.Spec.SCIM.BaseURL = tc.address
				if tc.change != nil {
					tc.change(app)
				}
				b.connects(app)
				pass(time.Second)
				// Again: the former address stays recorded.
				b.want("in the end", b.connects(app), tc.want)
				if app.Status.BaseURL != tc.status {
					t.Errorf("the status has the address %s, want %s", app.Status.BaseURL, tc.status)
				}
				if ready := short(app, v1alpha1.ConditionReady); tc.want == untested && ready != "False "+v1alpha1.ReasonInvalidConfiguration {
					t.Errorf("Ready is %s", ready)
				}
			})
		})
	}
}
