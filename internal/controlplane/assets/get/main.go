// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command get gets the programs of the control plane and prints the directories
// that hold them. On standard error it says what takes time.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/scim-operator/scim-operator/internal/controlplane/assets"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	found, err := assets.Get(ctx, assets.Options{ControllerManager: true, Progress: os.Stderr})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
	for _, path := range []string{found.Etcd, found.APIServer, found.ControllerManager} {
		fmt.Println(path)
	}
}
