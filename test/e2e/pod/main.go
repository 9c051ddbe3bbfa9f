// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command pod is what the end-to-end tests run in the cluster beside the operator: the apps that it writes to, and the identity providers that push to it. The tests
// reach it through the API server, which every cluster's KUBECONFIG leads to; the identity providers reach the operator through its Service, as real ones would.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"
)

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pod:", err)
		os.Exit(1)
	}
}

func command(args []string) error {
	if len(args) == 0 {
		return errors.New("usage: pod apps|clients [FLAG ...]")
	}
	control := http.NewServeMux()
	control.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	switch args[0] {
	case "apps":
		if err := startApps(control, args[1:]); err != nil {
			return err
		}
	case "clients":
		addClients(control)
	default:
		return fmt.Errorf("there is no command %q", args[0])
	}
	server := &http.Server{Addr: ":8080", Handler: control, ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

// list is a flag that may be given several times.
func list(flags *flag.FlagSet, name, usage string) *[]string {
	all := &[]string{}
	flags.Func(name, usage, func(value string) error {
		*all = append(*all, value)
		return nil
	})
	return all
}
