// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// NormalizeBaseURL checks the base URL of an app and brings it to the form that paths are appended to, without a slash at the end.
//
// Where basePath is not empty, a URL that stops at the beginning of it is completed: for "/scim/v2" the forms host, host/scim and host/scim/v2 are the same
// (R-Service). A missing scheme is https. Plain http is accepted for loopback addresses only, because each request carries the token.
func NormalizeBaseURL(raw, basePath string) (string, error) {
	raw = strings.TrimSpace(raw)
	if raw == "" {
		return "", errors.New("base URL is missing")
	}
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	base, err := url.Parse(raw)
	if err != nil {
		// url.Error repeats the input, which may hold a password.
		return "", errors.New("base URL does not parse")
	}
	switch {
	case base.Hostname() == "":
		return "", errors.New("base URL has no host")
	case base.User != nil:
		return "", errors.New("base URL must not hold credentials")
	case base.RawQuery != "" || base.ForceQuery || base.Fragment != "":
		return "", errors.New("base URL must not have a query or fragment")
	case base.Scheme == "http" && isLoopback(base.Hostname()):
	case base.Scheme != "https":
		return "", fmt.Errorf("base URL has scheme %q, want https", base.Scheme)
	}
	base.Path, base.RawPath = completed(strings.TrimRight(base.Path, "/"), basePath), ""
	base.Host = strings.ToLower(base.Host)
	return base.String(), nil
}

// completed appends what path lacks of basePath, when path ends with a beginning of it.
func completed(path, basePath string) string {
	segments := strings.Split(strings.Trim(basePath, "/"), "/")
	if basePath == "" || strings.HasSuffix(path, "/"+strings.Join(segments, "/")) {
		return path
	}
	for n := len(segments) - 1; n > 0; n-- {
		if strings.HasSuffix(path, "/"+strings.Join(segments[:n], "/")) {
			return path + "/" + strings.Join(segments[n:], "/")
		}
	}
	if path == "" {
		return "/" + strings.Join(segments, "/")
	}
	return path
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
