// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package egress

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestWhichAddressesMayBeReached(t *testing.T) {
	policy := New([]netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}, []netip.Addr{netip.MustParseAddr("10.96.0.1")})
	for address, denied := range map[string]string{
		"203.0.113.7":                   "",
		"10.1.2.3":                      "", // an app inside the company
		"fd12:3456::1":                  "",
		"127.0.0.1":                     "loopback",
		"127.0.0.2":                     "", // allowed
		"::ffff:127.0.0.2":              "", // the same
		"::1":                           "loopback",
		"::ffff:127.0.0.1":              "loopback",
		"169.254.169.254":               "link-local",
		"::ffff:169.254.169.254":        "link-local",
		"64:ff9b::169.254.169.254":      "link-local",
		"2002:a9fe:a9fe::1":             "link-local",
		"fe80::1":                       "link-local",
		"0.0.0.0":                       "unspecified",
		"0.1.2.3":                       "unspecified",
		"::":                            "unspecified",
		"224.0.0.1":                     "multicast",
		"ff02::1":                       "multicast",
		"168.63.129.16":                 "metadata service",
		"fd00:ec2::254":                 "metadata service",
		"10.96.0.1":                     "API of this cluster",
		"::ffff:10.96.0.1":              "API of this cluster",
		"64:ff9b::10.96.0.1":            "API of this cluster",
		"10.96.0.2":                     "",
		"100.100.100.200":               "metadata service",
		"fe80::1%eth0":                  "link-local",
		"64:ff9b:1::127.0.0.1":          "loopback",
		"2001:db8::1":                   "",
		"64:ff9b::203.0.113.7":          "",
		"2002:cb00:7107::1":             "",
		"ff05::2":                       "multicast",
		"255.255.255.255":               "",
		"0:0:0:0:0:ffff:7f00:0001":      "loopback",
		"0000:0000:0000:0000::0000:001": "loopback",
	} {
		err := policy.Check(netip.MustParseAddr(address))
		var de *DeniedError
		switch {
		case denied == "" && err != nil:
			t.Errorf("%s: %v", address, err)
		case denied != "" && !errors.As(err, &de):
			t.Errorf("%s may be reached, want it denied as %s", address, denied)
		case denied != "" && !strings.Contains(err.Error(), denied):
			t.Errorf("%s: %v, want %s", address, err, denied)
		}
	}
}

// A name is checked by what it resolves to, and so is the target of a redirect.
func TestTheDialerChecksWhatANameResolvesTo(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	reach := func(p *Policy, address string) error {
		conn, err := p.Dialer().DialContext(t.Context(), "tcp", address)
		if err == nil {
			err = conn.Close()
		}
		return err
	}
	var denied *DeniedError
	for _, host := range []string{"127.0.0.1", "localhost"} {
		if err := reach(New(nil, nil), net.JoinHostPort(host, port)); !errors.As(err, &denied) {
			t.Errorf("connecting to %s: %v, want it denied", host, err)
		}
	}
	allowed := New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, nil)
	if err := reach(allowed, net.JoinHostPort("127.0.0.1", port)); err != nil {
		t.Errorf("connecting to an address that is allowed: %v", err)
	}
	if err := reach(nil, net.JoinHostPort("127.0.0.1", port)); err != nil {
		t.Errorf("connecting without a policy: %v", err)
	}
}

func TestAHostThatIsAnAddressIsChecked(t *testing.T) {
	policy := New(nil, nil)
	for host, want := range map[string]bool{"169.254.169.254": false, "app.example.com": true, "203.0.113.7": true, "::1": false} {
		if err := policy.CheckHost(host); (err == nil) != want {
			t.Errorf("CheckHost(%s) = %v, want allowed: %t", host, err, want)
		}
	}
}

func TestResolve(t *testing.T) {
	if got := Resolve(t.Context(), "10.96.0.1"); len(got) != 1 || got[0].String() != "10.96.0.1" {
		t.Errorf("Resolve of an address = %v", got)
	}
	if got := Resolve(t.Context(), "localhost"); len(got) == 0 {
		t.Error("Resolve(localhost) has no address")
	}
}
