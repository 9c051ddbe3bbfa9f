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
	// takenWords are how apps say that a name or address belongs to another account: some answer 400, 422 or, from the database, 500 instead of 409.
	takenWords = regexp.MustCompile(`already (?:exists?|in use|(?:been )?(?:taken|used|registered|assigned))|resource_exists|duplicate (?:key|entry|value)` +
		`|unique constraint|uniqueness|(?:must|has to|should) be unique|(?:is|are) (?:not unique|taken)\b`)
	// limitWords are how apps say that they get too many requests.
	limitWords = regexp.MustCompile(`rate.?limit|too many requests|request limit|throttl`)

	creates = []string{connector.OpCreateUser, connector.OpCreateGroup}
	// takeSeats are the operations that may need a seat of the app's plan. Any other one that is refused for its plan is Forbidden.
	takeSeats = []string{connector.OpCreateUser, connector.OpUpdateUser, connector.OpSetActive}
	// setNames are the operations that may set what has to be unique.
	setNames = []string{connector.OpCreateUser, connector.OpUpdateUser, connector.OpSetActive, connector.OpCreateGroup}
)

// common are the signals of every app, after those of its profile: what apps say about seats, rates and names with another status than the one for it.
func common() []connector.Signal {
	signals := []connector.Signal{
		{Status: http.StatusPaymentRequired, Ops: takeSeats, Kind: connector.NoSeats},
		{Status: http.StatusForbidden, Pattern: limitWords, Kind: connector.RateLimited},
	}
	for _, status := range []int{http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity} {
		signals = append(signals, connector.Signal{Status: status, Ops: takeSeats, Pattern: seatsWords, Kind: connector.NoSeats})
	}
	return append(signals,
		connector.Signal{Status: http.StatusBadRequest, Ops: setNames, Pattern: takenWords, Kind: connector.Conflict},
		connector.Signal{Status: http.StatusUnprocessableEntity, Ops: setNames, Pattern: takenWords, Kind: connector.Conflict},
		connector.Signal{Status: http.StatusInternalServerError, Ops: creates, Pattern: takenWords, Kind: connector.Conflict},
	)
}
