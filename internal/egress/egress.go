// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package egress decides to which network addresses the operator connects on behalf of a custom resource.
//
// Whoever may write a ScimApp chooses its base URL, and the operator stands where that person may not: in the cluster's network, next to the cloud's metadata
// service. So the address is checked when the connection is made, after the name was resolved: a name that resolves to another address later, and a redirect, are
// covered as well.
package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// A DeniedError says that an address may not be reached.
type DeniedError struct {
	Address netip.Addr
	// What the address is, such as "a loopback address".
	What string
}

// Error implements error. It names no host of a URL.
func (e *DeniedError) Error() string {
	return fmt.Sprintf("%s is %s, which is not reached unless the administrator allows it (--allowed-addresses)", e.Address, e.What)
}

// Policy says which addresses may be reached. The zero Policy denies what New(nil, nil) denies.
type Policy struct {
	allowed []netip.Prefix
	api     []netip.Addr
}

// New makes a policy that denies loopback, link-local, unspecified and multicast addresses, the metadata services of clouds, and the addresses of the cluster's own
// API, but for what is in allowed.
func New(allowed []netip.Prefix, api []netip.Addr) *Policy {
	p := &Policy{allowed: allowed}
	for _, addr := range api {
		p.api = append(p.api, addr.Unmap())
	}
	return p
}

// Loopback are the addresses of the machine itself, where the apps of tests and demos are.
func Loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// metadata are the addresses at which clouds tell a machine its credentials, beside those that are link-local: Amazon's for IPv6, Azure's wire server, Alibaba's, Oracle's.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd20:ce::254"), netip.MustParseAddr("168.63.129.16"), netip.MustParseAddr("100.100.100.200"),
	netip.MustParseAddr("192.0.0.192"),
}

// thisNetwork is "this host on this network" (RFC 1122 3.2.1.3): Linux connects it to the machine itself.
var thisNetwork = netip.MustParsePrefix("0.0.0.0/8")

// translated are the prefixes behind which an IPv4 address is hidden in the last 32 bits (RFC 6052 2.1, RFC 8215), or in the 32 bits from the third byte on (6to4, RFC 3056).
var (
	translated = []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/96")}
	sixToFour  = netip.MustParsePrefix("2002::/16")
)

// Check is a *DeniedError for an address that may not be reached.
func (p *Policy) Check(addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	for _, prefix := range p.allowed {
		if prefix.Contains(addr) {
			return nil
		}
	}
	if what := p.denied(plain(addr)); what != "" {
		return &DeniedError{Address: addr, What: what}
	}
	return nil
}

func (p *Policy) denied(addr netip.Addr) string {
	switch {
	case addr.IsLoopback():
		return "a loopback address"
	case addr.IsLinkLocalUnicast():
		return "a link-local address, as those of the metadata services of clouds"
	case addr.IsUnspecified(), thisNetwork.Contains(addr):
		return "an unspecified address"
	case addr.IsMulticast():
		return "a multicast address"
	}
	for _, m := range metadata {
		if addr == m {
			return "the metadata service of a cloud"
		}
	}
	for _, a := range p.api {
		if addr == a {
			return "the API of this cluster"
		}
	}
	return ""
}

// plain takes an IPv4 address out of an IPv6 one that stands for it.
func plain(addr netip.Addr) netip.Addr {
	b := addr.As16()
	for _, prefix := range translated {
		if prefix.Contains(addr) {
			return netip.AddrFrom4([4]byte(b[12:16]))
		}
	}
	if sixToFour.Contains(addr) {
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return addr
}

// Dialer makes connections to what the policy allows. With a nil policy it makes all.
func (p *Policy) Dialer() *net.Dialer {
	d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	if p != nil {
		d.ControlContext = p.control
	}
	return d
}

// control is called with the address that the name resolved to, before the connection is made.
func (p *Policy) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("an address that cannot be checked: %w", err)
	}
	return p.Check(target.Addr())
}

// CheckHost checks the host of a URL where it is an address. A proxy connects to the host itself, and nothing here sees to what a name resolves there.
func (p *Policy) CheckHost(host string) error {
	if p == nil {
		return nil
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return p.Check(addr)
	}
	return nil
}

// Resolve gives the addresses of a host, which may be an address itself. What does not resolve has none.
func Resolve(ctx context.Context, host string) []netip.Addr {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil
	}
	return addrs
}
