// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"os"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/scim-operator/scim-operator/internal/egress"
)

// egressPolicy keeps what a custom resource names away from the inside of the machine and from the API server: a base URL is chosen by whoever may write a ScimApp.
func egressPolicy(ctx context.Context, cfg *rest.Config, allowed []netip.Prefix, log logr.Logger) *egress.Policy {
	var api []netip.Addr
	// In a pod, rest.Config names the Service of the API server, which the environment does as well.
	if host := os.Getenv("KUBERNETES_SERVICE_HOST"); host != "" {
		api = append(api, egress.Resolve(ctx, host)...)
	}
	if u, err := url.Parse(cfg.Host); err == nil && u.Hostname() != "" {
		api = append(api, egress.Resolve(ctx, u.Hostname())...)
	}
	advertised, err := advertisedAddresses(ctx, cfg)
	if err != nil {
		// A cluster may keep discovery from us; the Service is refused all the same.
		log.Error(err, "Cannot find out which address of its own the API server has: apps with that address are not refused")
	}
	return egress.New(allowed, append(api, advertised...))
}

// advertisedAddresses are those behind the Service of the API server, as it tells everybody at /api: that of a node, where the kubelet and etcd may listen as well.
// Of several API servers it is the one that has answered.
func advertisedAddresses(ctx context.Context, cfg *rest.Config) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return nil, err
	}
	versions := &metav1.APIVersions{}
	// Asked without a type, it tells of all groups instead, and of no address.
	err = client.RESTClient().Get().AbsPath("/api").SetHeader("Accept", "application/json").Do(ctx).Into(versions)
	if err != nil {
		return nil, err
	}
	var addresses []netip.Addr
	for _, server := range versions.ServerAddressByClientCIDRs {
		host, _, err := net.SplitHostPort(server.ServerAddress)
		if err != nil {
			host = server.ServerAddress
		}
		addresses = append(addresses, egress.Resolve(ctx, host)...)
	}
	return addresses, nil
}
