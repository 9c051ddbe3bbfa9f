// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// variable of the shell.
type variable struct{ name, value string }

// writeEnv writes .run/env, which points any SCIM client, curl and kubectl at the demo.
func (d *demo) writeEnv() error {
	variables := []variable{
		{"KUBECONFIG", d.kubeconfig()},
		{"SCIM_BASE_URL", d.endpoint.url},
		{"SCIM_TOKEN", d.scimToken},
		{"SCIM_CA_FILE", d.endpoint.ca},
		{"METRICS_URL", "http://" + d.metrics + "/metrics"},
	}
	for _, app := range d.apps {
		ca := filepath.Join(d.dir, "tls", app.name+"-ca.crt")
		if err := os.WriteFile(ca, app.CA(), 0o600); err != nil {
			return err
		}
		variables = append(variables,
			variable{app.env + "_URL", app.URL()}, variable{app.env + "_TOKEN", app.Token()}, variable{app.env + "_CA_FILE", ca})
	}
	return os.WriteFile(filepath.Join(d.dir, "env"), []byte(exports(variables)), 0o600)
}

// exports are the lines that set variables in a POSIX shell.
func exports(variables []variable) string {
	var text strings.Builder
	for _, v := range variables {
		fmt.Fprintf(&text, "export %s='%s'\n", v.name, strings.ReplaceAll(v.value, "'", "'\\''"))
	}
	return text.String()
}

// hint says what to do next.
func (d *demo) hint() {
	d.say(`
In another terminal:
  . %s
  kubectl get scimusers
  curl --cacert "$SCIM_CA_FILE" -H "Authorization: Bearer $SCIM_TOKEN" "$SCIM_BASE_URL/Users?count=2"
  curl --cacert "$R_SERVICE_CA_FILE" -H "Authorization: Bearer $R_SERVICE_TOKEN" "$R_SERVICE_URL/Groups"

What changes from now on is shown here. Ctrl-C ends everything.`, d.shown("env"))
}
