// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
)

const (
	testToken  = "test-token-0123456789"
	department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"
	costCenter = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter"
)

var fast = connector.Limits{PerSecond: 10000, Burst: 10000, PerHour: 1 << 30, Timeout: 5 * time.Second}

// startApp starts an app that ends with the test.
func startApp(t *testing.T, flavour fakeapp.Flavour) *fakeapp.App {
	t.Helper()
	app, err := fakeapp.New(fakeapp.Options{Flavour: flavour, Token: testToken})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(app.Close)
	return app
}

// profileOf returns a profile with changes for the test.
func profileOf(t *testing.T, name string, change ...func(*profiles.Profile)) profiles.Profile {
	t.Helper()
	profile, ok := profiles.Get(name)
	if !ok {
		t.Fatalf("no profile %q", name)
	}
	for _, f := range change {
		f(&profile)
	}
	return profile
}

// connect returns a connector to the app.
func connect(t *testing.T, app *fakeapp.App, profile profiles.Profile, change ...func(*Options)) *Connector {
	t.Helper()
	options := Options{
		Profile: profile, BaseURL: app.URL(), Token: app.Token(), CABundle: app.CA(), Limits: fast, UserAgent: "scim-operator/test",
	}
	for _, f := range change {
		f(&options)
	}
	c, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// jane returns attributes that every flavour accepts.
func jane(over connector.Attributes) connector.Attributes {
	attributes := connector.Attributes{
		"userName":        "jane.doe@corp.test",
		"name.givenName":  "Jane",
		"name.familyName": "Doe",
		"emails":          []any{map[string]any{"value": "jane.doe@corp.test", "type": "work", "primary": true}},
		"roles":           []any{map[string]any{"value": "viewer", "primary": true}},
	}
	maps.Copy(attributes, over)
	return attributes
}

// create creates an account and fails the test when that fails.
func create(t *testing.T, c *Connector, attributes connector.Attributes) connector.User {
	t.Helper()
	user, err := c.CreateUser(t.Context(), attributes)
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// stored returns the account as the app holds it.
func stored(t *testing.T, app *fakeapp.App, userName string) fakeapp.User {
	t.Helper()
	user, ok := app.User(userName)
	if !ok {
		t.Fatalf("the app has no %s", userName)
	}
	return user
}

// wantAttributes compares the attributes that the app holds.
func wantAttributes(t *testing.T, user fakeapp.User, want map[string]any) {
	t.Helper()
	if diff := cmp.Diff(want, user.Attributes); diff != "" {
		t.Errorf("attributes in the app (-want +got):\n%s", diff)
	}
}

// wantCalls compares the operations that the app was asked for, in any order, and forgets them.
func wantCalls(t *testing.T, app *fakeapp.App, want ...string) {
	t.Helper()
	var got []string
	for _, call := range app.Calls() {
		got = append(got, call.Op)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(strings.Join(want, " "), strings.Join(got, " ")); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	app.ResetCalls()
}

// wantKind fails unless err is of that kind, and returns it.
func wantKind(t *testing.T, err error, kind connector.Kind) {
	t.Helper()
	_ = failureOf(t, err, kind)
}

// failureOf is the error, which has to be of the kind.
func failureOf(t *testing.T, err error, kind connector.Kind) *connector.Error {
	t.Helper()
	e := connector.AsError(err)
	if e == nil || e.Kind != kind {
		t.Fatalf("error = %v, want one of kind %s", err, kind)
	}
	return e
}
