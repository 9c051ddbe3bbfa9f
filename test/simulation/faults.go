// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"fmt"
	"time"
)

// faults are what is wrong with an app at the moment.
type faults struct {
	// storm is the answer to every request, nil for none.
	storm *storm
	// lag is how far reads are behind.
	lag time.Duration
	// until is when storm and lag end.
	until time.Time
	// losses is the probability with which each request meets a fault of its own.
	losses float64
	// ended is when the last fault ended, or had its last effect.
	ended time.Time
}

// storm is an app that answers every request in the same way.
type storm struct {
	status int
	// retryAfter in seconds at most, 0 for none; html for an answer that is no JSON.
	retryAfter int
	html       bool
}

func (s *storm) answer(w *world) answer {
	a := failure(s.status, "", "not now")
	if s.html {
		a.body = []byte("<html><body>not found</body></html>")
	}
	if s.retryAfter > 0 {
		a.header = map[string]string{"Retry-After": fmt.Sprint(w.between(1, s.retryAfter))}
	}
	return a
}

// fault is what one request meets, 0 for nothing.
type fault int

const (
	// faultIgnored: a change is answered as done, without effect; the answer shows the resource as it is.
	faultIgnored fault = iota + 1
	// faultNotFound: a change of a resource that exists is answered with 404.
	faultNotFound
	// faultAfter: a change is made and answered with 500.
	faultAfter
	// faultForbidden: a change is answered with 403.
	faultForbidden
	// faultShort: a listing says that there are more rows than it shows.
	faultShort
	// faultPage: one resource is answered with 404 in HTML.
	faultPage
	// faultOldBody: a change is made, and its answer shows the resource as it was. faultNoBody: its answer has no body.
	faultOldBody
	faultNoBody
	// faultNoMembers: reads show groups without members.
	faultNoMembers
	// faultOther: a create of an account is answered with the account of somebody else, and makes none.
	faultOther
	// faultForeign: the answer is a success with a body that is not SCIM, without effect.
	faultForeign
	// faultTaken: a create or a change of an account is refused because of another unique attribute.
	faultTaken
)

// callFaults are what a call may meet at the app.
var callFaults = []fault{
	faultIgnored, faultNotFound, faultAfter, faultForbidden, faultShort, faultPage, faultOldBody, faultNoBody, faultNoMembers, faultOther, faultForeign, faultTaken,
}

// active reports whether anything is wrong with the app.
func (f *faults) active() bool { return f.storm != nil || f.lag > 0 || f.losses > 0 }
