// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/session"
)

// demoApp is an app of the demo: a server that behaves as the vendor says, and the ScimApp that stands for it.
type demoApp struct {
	*fakeapp.App
	// name of the ScimApp; env is how its variables in .run/env begin.
	name, env string
	// groups are made in the app beforehand, as its admin does for R-Service's organizations (S51).
	groups []string
}

// credentials is the name of the Secret that config/samples expects.
func (a *demoApp) credentials() string { return a.name + "-credentials" }

func (d *demo) startApps(context.Context) error {
	for _, app := range []struct {
		demoApp
		flavour fakeapp.Flavour
		port    int
	}{
		{demoApp{name: "common-room", env: "COMMON_ROOM"}, fakeapp.CommonRoom, 9441},
		{demoApp{name: "r-service", env: "R_SERVICE", groups: []string{"Service Desk"}}, fakeapp.RService, 9442},
	} {
		server, err := fakeapp.New(fakeapp.Options{Flavour: app.flavour, Token: newToken(), Addr: address(app.port)})
		if err != nil {
			return err
		}
		started := app.demoApp
		started.App = server
		d.apps = append(d.apps, &started)
		d.world.Apps = append(d.world.Apps, session.App{
			Name: started.name, URL: server.URL(), Look: func(context.Context) (session.Holdings, error) { return session.HoldingsOf(server), nil },
		})
		d.onStop(func() error { server.Close(); return nil })
		for _, group := range app.groups {
			if _, err := server.AddGroup(group, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// appsNow prints what the apps hold.
func (d *demo) appsNow() {
	for _, app := range d.apps {
		d.say("\nAccounts in the app %s, as the app itself holds them:", app.name)
		accounts := &table{header: []string{"USERNAME", "ACTIVE", "ROLES"}}
		for _, user := range app.Users() {
			accounts.add(user.UserName, fmt.Sprint(user.Active), fmt.Sprint(user.Roles))
		}
		accounts.print(d.out, nil)
		for _, group := range app.Groups() {
			d.say("Group %q with %d members", group.DisplayName, len(group.Members))
		}
	}
}
