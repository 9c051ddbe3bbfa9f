// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// The scim-operator: a SCIM 2.0 endpoint that keeps users and groups as custom resources, and the controllers that make apps follow.
package main

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/scim-operator/scim-operator/internal/operator"
)

// version is set at build time.
var version = "dev"

// minResyncPeriod keeps the resync of many users from taking all of the processor time.
const minResyncPeriod = time.Minute

func main() {
	if err := command().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "scim-operator:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	o := operator.Options{Version: version}
	var debug bool
	var allowed []string
	cmd := &cobra.Command{
		Use: "scim-operator", Short: "Identity as Kubernetes resources: SCIM in, app accounts out",
		Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true, Version: version,
		RunE: func(*cobra.Command, []string) error {
			var err error
			if o.ResyncPeriod < minResyncPeriod {
				return fmt.Errorf("--resync-period: %s is too short: the least is %s", o.ResyncPeriod, minResyncPeriod)
			}
			if o.AllowedAddresses, err = prefixes(allowed); err != nil {
				return fmt.Errorf("--allowed-addresses: %w", err)
			}
			o.Log = zap.New(zap.UseDevMode(debug))
			ctrl.SetLogger(o.Log)
			cfg, err := config.GetConfig()
			if err != nil {
				return fmt.Errorf("finding the cluster (in-cluster service account, KUBECONFIG or ~/.kube/config): %w", err)
			}
			return operator.Run(ctrl.SetupSignalHandler(), cfg, o)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&o.Namespaces, "namespaces", nil, "namespaces to watch, separated by commas; all when empty")
	flags.StringVar(&o.ScimAddress, "scim-bind-address", ":8443", "address of the SCIM endpoint")
	flags.StringVar(&o.CertFile, "tls-cert-file", "/etc/scim-operator/tls/tls.crt", "certificate of the SCIM endpoint, PEM; read again whenever it changes")
	flags.StringVar(&o.KeyFile, "tls-key-file", "/etc/scim-operator/tls/tls.key", "private key of the SCIM endpoint, PEM")
	flags.StringVar(&o.SelfMadeSecret, "tls-self-made-secret", "", "Secret in the operator's namespace with a certificate that the operator makes, and that signs "+
		"itself, instead of the files; for trials")
	flags.StringSliceVar(&o.SelfMadeHosts, "tls-self-made-hosts", []string{"localhost"}, "names and addresses for which the certificate is made, separated by commas")
	flags.StringVar(&o.ExternalURL, "external-url", "", "URL under which identity providers reach the endpoint, such as https://scim.example.com; "+
		"used in answers. The request's Host when empty")
	flags.StringSliceVar(&allowed, "allowed-addresses", nil, "addresses or networks (10.0.0.0/8), separated by commas, that apps may have although they are "+
		"loopback, link-local, or those of the cluster's own API")
	flags.StringVar(&o.MetricsAddress, "metrics-bind-address", "127.0.0.1:8080", "address of the metrics, 0 for none")
	flags.BoolVar(&o.MetricsAuthorization, "metrics-authorization", false, "serve metrics over HTTPS, to those whom the API server lets get the path /metrics")
	flags.DurationVar(&o.DrainDelay, "drain-delay", 0, "how long to go on when told to end, closing connections after each answer: the time in which a Service notices")
	flags.DurationVar(&o.ResyncPeriod, "resync-period", operator.DefaultResyncPeriod, "time within which every user, group, app, role mapping and client is reconciled "+
		"although nothing is known to have changed; a change whose event was lost is found then")
	flags.StringVar(&o.HealthAddress, "health-probe-bind-address", ":8081", "address of the probes /healthz and /readyz, 0 for none")
	flags.BoolVar(&o.LeaderElection, "leader-elect", false, "let one of several replicas run the controllers; every replica serves SCIM")
	flags.StringVar(&o.LeaderElectionNamespace, "leader-election-namespace", "", "namespace of the leader's Lease; the pod's own when empty")
	flags.DurationVar(&o.CredentialTestInterval, "credential-test-interval", operator.DefaultCredentialTestInterval,
		"after how long without an answer the credentials of an app are tested again, by one call that only reads; 0 for never")
	flags.BoolVar(&o.SuspendApps, "suspend-apps", false, "suspend all apps: call none, whatever their ScimApps say; the endpoint keeps serving")
	flags.BoolVar(&debug, "debug", false, "log in a form for people, with more detail")
	return cmd
}

// prefixes reads networks; an address is a network of one.
func prefixes(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", text)
		}
		all = append(all, prefix)
	}
	return all, nil
}
