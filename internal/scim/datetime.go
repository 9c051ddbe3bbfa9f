// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import "time"

// parseDateTime reads an xsd:dateTime (RFC 7643 2.3.5) with or without fraction and offset. Without offset it counts as UTC.
func parseDateTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
