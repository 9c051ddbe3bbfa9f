// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/url"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// refuseSecrets answers a URL that tells something of a password with 403 (RFC 7644 7.5.2): proxies and logs on the way keep URLs. Other attributes are taken, for
// identity providers look users up by them, and /.search is there for a client that wants to keep them out of URLs.
func refuseSecrets(values url.Values) error {
	for _, name := range []string{"filter", "sortBy"} {
		for _, text := range values[name] {
			if secret := scim.SecretIn(text); secret != "" {
				return scim.Sensitive("the parameter %q names the attribute %q, which must not be in a URL and cannot be searched for; "+
					"a query by other attributes can be kept out of the URL with POST to /.search", name, secret)
			}
		}
	}
	return nil
}
