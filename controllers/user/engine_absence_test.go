// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/internal/connector"
)

// notFound is the answer, in the form of SCIM, that the app does not have an account.
func notFound(op string) error {
	return &connector.Error{Op: op, Kind: connector.NotFound, Status: 404, Sent: true, InProtocol: true}
}

// A 404 of yesterday does not prove the one of today.
func TestAbsenceOfAnEarlierChangeProvesNothing(t *testing.T) {
	e := employed(t, nil)
	app := e.apps["crm"]
	app.Errs[connector.OpSetActive] = []error{notFound(connector.OpSetActive)}
	e.give("crm", nil)
	e.run(2 * time.Second)
	e.give("crm", kim)
	e.run(24 * time.Hour)

	app.Errs[connector.OpSetActive] = []error{notFound(connector.OpSetActive)}
	app.Hidden = true
	e.give("crm", nil)
	e.run(2 * time.Second)
	app.Hidden = false
	e.run(2 * time.Hour)
	if e.account().Active {
		t.Errorf("the account is active, its status is %+v", e.entry("kim", "crm"))
	}
}
