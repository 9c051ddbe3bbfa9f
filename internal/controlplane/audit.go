// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// auditPolicy has what ServiceAccounts ask for written down, without bodies: administrators are of no interest.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
  - level: Metadata
    userGroups: ["system:serviceaccounts"]
  - level: None
`

// auditMegabytes is the size at which the API server would begin another file: more than any test writes.
const auditMegabytes = "4096"

// configureAudit makes the API server write its audit log.
func (e *Env) configureAudit(server *envtest.APIServer) error {
	policy := filepath.Join(e.Dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return err
	}
	server.Configure().
		Set("audit-policy-file", policy).
		Set("audit-log-path", e.auditLog()).
		Set("audit-log-maxsize", auditMegabytes)
	return nil
}

func (e *Env) auditLog() string { return filepath.Join(e.logDir(), "audit.log") }

// ReadAudit calls each for the events of the audit log, which Options.Audit asks for, in the order in which the requests ended; a watch has one when it begins,
// too. The last line is left out while the API server is writing it. It stops at an error of each.
func (e *Env) ReadAudit(each func(*auditv1.Event) error) error {
	file, err := os.Open(e.auditLog())
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		event := &auditv1.Event{}
		if err := json.Unmarshal(line, event); err != nil {
			return fmt.Errorf("%s: %w", e.auditLog(), err)
		}
		if err := each(event); err != nil {
			return err
		}
	}
}
