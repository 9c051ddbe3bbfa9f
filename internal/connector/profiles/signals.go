// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"net/http"
	"regexp"

	"github.com/scim-operator/scim-operator/internal/connector"
)

var (
	// seatsWords are how apps say that their plan has no seat left: "no more seats available", "seat limit reached", "maximum number of users", "licence limit
	// exceeded", "needs_to_increase_seats".
	seatsWords = regexp.MustCompile(`\b(?:` +
		`(?:no|not enough|insufficient|out of|more|all|additional|remaining|unused|free)(?: (?:more|available|free|remaining|unused|open|paid|of|your|user|licensed))*[ _-](?:seats?|licen[sc]es?)` +
		`|(?:seats?|licen[sc]es?|users?|members?|accounts?)[ _-](?:count |number )?(?:limit|quota|cap)` +
		`|(?:limit|maximum|max|exceed\w*)[ _](?:the |of |number |allowed |total |your |plan |active |on |for )*(?:\d+ )?(?:seats?|licen[sc]es?|licen[sc]ed users|users|members|accounts)` +
		`|(?:upgrade|increase|purchase|buy|add)[ _](?:the |your |number |of |more |additional )*(?:seats?|licen[sc]es?)` +
		`|(?:seats?|licen[sc]es?)(?: \w+)? (?:full|filled|in use|used|taken|occupied|exhausted|exceeded|reached|available|left|remaining)` +
		`|plan (?:only )?(?:allows|includes|is limited to|supports)(?: at most| up to| only)? \d+ (?:users|seats|members|licen[sc]es)` +
		`)\b`)
	// limitWords are how apps say that they get too many requests.
	limitWords = regexp.MustCompile(`rate.?limit|too many requests|request limit|throttl`)
)

// common are the signals of every app, after those of its profile: what apps say about seats and rates with another status than the one for it.
func common() []connector.Signal {
	signals := []connector.Signal{
		{Status: http.StatusPaymentRequired, Kind: connector.NoSeats},
		{Status: http.StatusForbidden, Pattern: limitWords, Kind: connector.RateLimited},
	}
	for _, status := range []int{http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity} {
		signals = append(signals, connector.Signal{Status: status, Pattern: seatsWords, Kind: connector.NoSeats})
	}
	return signals
}
