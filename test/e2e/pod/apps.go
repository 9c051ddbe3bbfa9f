// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/session"
)

// startApps starts the apps that the arguments name, and adds what the tests look into them with: GET /NAME/holdings, GET /NAME/creations and GET /NAME/ca.
func startApps(control *http.ServeMux, args []string) error {
	flags := flag.NewFlagSet("apps", flag.ContinueOnError)
	host := flags.String("host", "", "name under which the operator reaches the apps")
	apps := list(flags, "app", "an app, as NAME=FLAVOUR:PORT")
	groups := list(flags, "group", "a group that an app has from the beginning, as APP=DISPLAYNAME")
	if err := flags.Parse(args); err != nil {
		return err
	}
	running := map[string]*fakeapp.App{}
	for _, text := range *apps {
		name, rest, _ := strings.Cut(text, "=")
		flavour, port, _ := strings.Cut(rest, ":")
		app, err := fakeapp.New(fakeapp.Options{
			Flavour: fakeapp.Flavour(flavour), Token: os.Getenv("APP_TOKEN"), Addr: ":" + port, Hosts: []string{*host},
		})
		if err != nil {
			return err
		}
		running[name] = app
		control.HandleFunc("GET /"+name+"/holdings", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, session.HoldingsOf(app)) })
		control.HandleFunc("GET /"+name+"/creations", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, creations(app)) })
		control.HandleFunc("GET /"+name+"/ca", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(app.CA()) })
	}
	for _, text := range *groups {
		name, displayName, _ := strings.Cut(text, "=")
		if running[name] == nil {
			return fmt.Errorf("there is no app %q for the group %q", name, displayName)
		}
		if _, err := running[name].AddGroup(displayName, ""); err != nil {
			return err
		}
	}
	return nil
}

// creations are how often the creation of each user was asked for, by userName.
func creations(app *fakeapp.App) map[string]int {
	asked := map[string]int{}
	for _, call := range app.Calls() {
		if call.Op == fakeapp.UsersCreate {
			asked[call.Subject]++
		}
	}
	return asked
}

func answerJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	// Who asked may be gone by now.
	_ = json.NewEncoder(w).Encode(value)
}
