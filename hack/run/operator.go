// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/scim-operator/scim-operator/internal/egress"
	"github.com/scim-operator/scim-operator/internal/operator"
	"github.com/scim-operator/scim-operator/test/session"
)

// endpoint is where the operator serves SCIM.
type endpoint struct {
	// url of the demo's ScimClient, ca the file of the authority to trust.
	url, ca string
}

// startLog makes the file that the log of the operator goes to. It comes first: controller-runtime, whose clients the demo uses, complains with a stack trace if there is no
// logger half a minute after the start, and building the control plane may take longer.
func (d *demo) startLog() error {
	log, err := os.Create(filepath.Join(d.dir, "operator.log"))
	if err != nil {
		return err
	}
	d.onStop(log.Close)
	d.log = zap.New(zap.WriteTo(log), zap.ConsoleEncoder())
	ctrl.SetLogger(d.log)
	klog.SetLogger(d.log)
	return nil
}

// startOperator runs the operator in this process, so that it cannot outlive it, with the rights of config/rbac.
func (d *demo) startOperator(ctx context.Context) error {
	files, err := writeCertificates(filepath.Join(d.dir, "tls"))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address(8443))
	if err != nil {
		return err
	}
	d.metrics = address(8080)
	origin := "https://" + listener.Addr().String()
	d.endpoint = &endpoint{url: origin + "/" + namespace + "/okta/scim/v2", ca: files.ca}
	// Not the context of the demo: the operator ends in the order of the demo's end.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() {
		err := operator.Run(running, d.config, operator.Options{
			Version: "dev", Listener: listener, CertFile: files.cert, KeyFile: files.key, ExternalURL: origin,
			MetricsAddress: d.metrics, HealthAddress: "0", Log: d.log, AllowedAddresses: egress.Loopback(),
			LeaderElectionNamespace: operatorNamespace,
			CredentialTestInterval:  operator.DefaultCredentialTestInterval,
		})
		if running.Err() == nil {
			d.fail(fmt.Errorf("the operator ended by itself, see %s: %w", d.shown("operator.log"), err))
		}
		ended <- err
	}()
	d.onStop(func() error { cancel(); return <-ended })
	if err := d.connect(); err != nil {
		return err
	}
	// Any answer will do: the ScimClient is yet to come.
	return session.Await(ctx, d.world.SCIM.Answers)
}

// connect makes the client that plays the identity provider.
func (d *demo) connect() error {
	pem, err := os.ReadFile(d.endpoint.ca)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return errors.New("the certificate authority cannot be read back")
	}
	d.world.SCIM = session.NewSCIM(d.endpoint.url, d.scimToken, session.Trusting(roots))
	return nil
}
