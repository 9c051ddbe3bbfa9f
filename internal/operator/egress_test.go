// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"

	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/egress"
)

func TestTheAPIServerTellsItsAddress(t *testing.T) {
	got, err := advertisedAddresses(t.Context(), cptest.New(t).Config)
	if err != nil || len(got) == 0 {
		t.Fatalf("addresses %v, %v", got, err)
	}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range got {
		if !slices.ContainsFunc(interfaces, func(a net.Addr) bool { return strings.HasPrefix(a.String(), address.String()+"/") }) {
			t.Errorf("%s is no address of this machine, on which the API server runs", address)
		}
	}
}

// A ScimApp leads neither to the Service of the API server nor to the node behind it.
func TestAppsDoNotReachTheAPIServer(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api" || r.Header.Get("Accept") != "application/json" {
			t.Errorf("%s %s of type %q is asked for", r.Method, r.URL.Path, r.Header.Get("Accept"))
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"kind":"APIVersions","versions":["v1"],"serverAddressByClientCIDRs":[{"clientCIDR":"0.0.0.0/0","serverAddress":"192.0.2.7:6443"}]}`))
	}))
	defer server.Close()
	policy := egressPolicy(t.Context(), &rest.Config{Host: server.URL}, nil, logr.Discard())
	for _, address := range []string{"10.96.0.1", "192.0.2.7"} {
		var denied *egress.DeniedError
		if err := policy.Check(netip.MustParseAddr(address)); !errors.As(err, &denied) {
			t.Errorf("%s: %v, want it denied", address, err)
		}
	}
	if err := policy.Check(netip.MustParseAddr("192.0.2.8")); err != nil {
		t.Error(err)
	}
}
