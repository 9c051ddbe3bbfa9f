// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"fmt"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// The titles of many become empty and are held, then their nicknames: an approval of the first batch clears no nickname.
func TestApprovalOfClearedAttributesCoversNoOthers(t *testing.T) {
	e := newEngine(t, pt.App("crm"))
	var users []string
	each := func(change func(*v1alpha1.ScimUser)) {
		for i := range 15 {
			user := e.stored(fmt.Sprintf("user-%02d", i))
			change(user)
			user.Generation++
			e.Client.Put(user)
		}
		e.event()
	}
	for i := range 15 {
		name := fmt.Sprintf("user-%02d", i)
		e.user(name)
		users = append(users, name+"@corp.test")
	}
	each(func(user *v1alpha1.ScimUser) { user.Spec.Title, user.Spec.NickName = "Engineer", "K" })
	e.give("crm", users)
	e.Run(time.Hour)
	each(func(user *v1alpha1.ScimUser) { user.Spec.Title = "" })
	e.Run(time.Minute)
	held := e.entry("user-00", "crm").HeldBatch
	if held == "" {
		t.Fatalf("nothing is held: %+v", e.entry("user-00", "crm"))
	}
	each(func(user *v1alpha1.ScimUser) { user.Spec.NickName = "" })
	e.Run(time.Minute)
	e.Change("crm", func(app *v1alpha1.ScimApp) {
		app.Annotations = map[string]string{v1alpha1.AnnotationApproveBatch: held}
	})
	e.Registry.Get(pt.Key("crm")).Recheck()
	e.event()
	e.Run(10 * time.Minute)
	lost := 0
	for _, user := range e.Apps["crm"].Users {
		if user.Attributes["nickName"] != "K" {
			lost++
		}
	}
	if entry := e.entry("user-00", "crm"); lost > 0 || entry.HeldBatch == "" || entry.HeldBatch == held {
		t.Errorf("%d nicknames were cleared, the account status is %+v", lost, entry)
	}
}
