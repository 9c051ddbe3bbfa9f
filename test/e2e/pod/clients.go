// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net/http"
	"sync"

	"github.com/scim-operator/scim-operator/test/e2e/load"
	"github.com/scim-operator/scim-operator/test/e2e/relay"
)

// clients are identity providers that do as they are told.
type clients struct {
	mu   sync.Mutex
	load *load.Load
}

// addClients adds what the tests control them with: POST /send makes one request, POST /load starts a load, GET /load tells how it goes, and DELETE /load ends it.
func addClients(control *http.ServeMux) {
	c := &clients{}
	control.HandleFunc("POST /send", relay.Handler)
	control.HandleFunc("POST /load", c.start)
	control.HandleFunc("GET /load", func(w http.ResponseWriter, _ *http.Request) { c.tell(w, (*load.Load).Report) })
	control.HandleFunc("DELETE /load", func(w http.ResponseWriter, _ *http.Request) { c.tell(w, (*load.Load).Stop) })
}

func (c *clients) start(w http.ResponseWriter, r *http.Request) {
	var config load.Config
	if err := json.NewDecoder(r.Body).Decode(&config); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.load != nil && c.load.Report().Running {
		http.Error(w, "a load runs already", http.StatusConflict)
		return
	}
	started, err := load.Start(config)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	c.load = started
}

func (c *clients) tell(w http.ResponseWriter, what func(*load.Load) load.Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.load == nil {
		http.Error(w, "no load was started", http.StatusConflict)
		return
	}
	answerJSON(w, what(c.load))
}
