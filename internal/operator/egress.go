// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"net/netip"
	"net/url"
	"os"

	"k8s.io/client-go/rest"

	"github.com/scim-operator/scim-operator/internal/egress"
)

// egressPolicy keeps what a custom resource names away from the inside of the machine and from the API server: a base URL is chosen by whoever may write a ScimApp.
func egressPolicy(ctx context.Context, cfg *rest.Config, allowed []netip.Prefix) *egress.Policy {
	var api []netip.Addr
	// In a pod, rest.Config names the Service of the API server, which the environment does as well.
	if host := os.Getenv("KUBERNETES_SERVICE_HOST"); host != "" {
		api = append(api, egress.Resolve(ctx, host)...)
	}
	if u, err := url.Parse(cfg.Host); err == nil && u.Hostname() != "" {
		api = append(api, egress.Resolve(ctx, u.Hostname())...)
	}
	return egress.New(allowed, api)
}
