// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package fakeapp

import (
	"net/http"
	"strconv"
	"time"
)

const (
	errorURN       = "urn:ietf:params:scim:api:messages:2.0:Error"
	errorURNCommon = "urn:ietf:params:scim:schemas:core:2.0:Error"
)

// flavour is what differs between the vendors.
type flavour struct {
	basePath string
	// basePaths are the paths under which the API answers; basePath is one of them.
	basePaths     []string
	usersPath     string
	groupsPath    string // empty: no groups
	defaultCount  int
	maxCount      int
	idIsUserName  bool
	numericIDs    bool
	listsInactive bool
	// locationHost is the host of meta.location; empty is the app's own.
	locationHost      string
	filterable        map[string]bool // attributes in lower case; nil: all
	listsShowMembers  bool
	putMerges         bool
	deleteDeactivates bool
	methods           map[string]bool
	errorURN          string
	// badToken and limited are the vendor's ways to refuse.
	badToken func() answer
	limited  func(limit int, wait time.Duration, now time.Time) answer
	// validate checks a user that is to be stored and completes it; existing is nil for a new one.
	validate func(user map[string]any, existing map[string]any) *answer
	// duplicate answers a userName that is taken.
	duplicate func() answer
}

var flavours = map[Flavour]flavour{
	Generic: {
		basePath: "/scim/v2", basePaths: []string{"/scim/v2"}, usersPath: "/Users", groupsPath: "/Groups",
		defaultCount: 100, maxCount: 200, listsInactive: true, listsShowMembers: true, errorURN: errorURN,
		methods:   methods(http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete),
		badToken:  func() answer { return scimError(http.StatusUnauthorized, "", "the bearer token is not valid") },
		limited:   limitedBySeconds,
		validate:  validateCore,
		duplicate: func() answer { return scimError(http.StatusConflict, "uniqueness", "userName is already in use") },
	},
	CommonRoom: {
		basePath: "/scim/v2", basePaths: []string{"/scim/v2"}, usersPath: "/users",
		defaultCount: 100, maxCount: 100, idIsUserName: true, errorURN: errorURNCommon,
		filterable: map[string]bool{"username": true},
		methods:    methods(http.MethodGet, http.MethodPost, http.MethodPatch),
		badToken: func() answer {
			return answer{status: http.StatusForbidden, body: map[string]any{"reason": "Token not valid"}}
		},
		limited:   limitedByDate,
		validate:  validateCommonRoom,
		duplicate: func() answer { return scimError(http.StatusBadRequest, "", "Failed to create user") },
	},
	RService: {
		basePath: "/scim/v2", basePaths: []string{"/scim/v2", "/scim"}, usersPath: "/Users", groupsPath: "/Groups",
		defaultCount: 25, maxCount: 25, numericIDs: true, listsInactive: true, errorURN: errorURN,
		locationHost:      "account.r-service.example.com",
		filterable:        map[string]bool{"username": true, "externalid": true, "active": true, "displayname": true},
		putMerges:         true,
		deleteDeactivates: true,
		methods:           methods(http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete),
		badToken:          func() answer { return scimError(http.StatusUnauthorized, "", "Access credentials required") },
		limited:           limitedBySeconds,
		validate:          validateCore,
		duplicate:         func() answer { return scimError(http.StatusConflict, "uniqueness", "userName has already been taken") },
	},
}

func methods(names ...string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}
	return set
}

// limitedBySeconds is 429 as most vendors send it.
func limitedBySeconds(limit int, wait time.Duration, now time.Time) answer {
	refused := scimError(http.StatusTooManyRequests, "", "rate limit exceeded")
	refused.header = http.Header{
		"Retry-After":           {strconv.Itoa(wholeSeconds(wait))},
		"X-Ratelimit-Limit":     {strconv.Itoa(limit)},
		"X-Ratelimit-Remaining": {"0"},
		"X-Ratelimit-Reset":     {strconv.FormatInt(now.Add(wait).Unix(), 10)},
	}
	return refused
}

// limitedByDate is 429 as Common Room's API description has it: Retry-After is an ISO 8601 date-time and the body says how long in milliseconds.
func limitedByDate(limit int, wait time.Duration, now time.Time) answer {
	return answer{
		status: http.StatusTooManyRequests,
		header: http.Header{
			"Retry-After":           {now.Add(wait).UTC().Format("2006-01-02T15:04:05.000Z")},
			"X-Ratelimit-Limit":     {strconv.Itoa(limit)},
			"X-Ratelimit-Remaining": {"0"},
			"X-Ratelimit-Reset":     {strconv.FormatInt(now.Add(wait).Unix(), 10)},
		},
		body: map[string]any{
			"reason": "Rate limit exceeded",
			"rateLimit": map[string]any{
				"intervalLimit": limit, "intervalRemaining": 0, "intervalResetSeconds": wholeSeconds(wait), "waitMs": wait.Milliseconds(),
			},
		},
	}
}

func wholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
