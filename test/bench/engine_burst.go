// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// measureBurst stops the operator in the middle of a burst of joiners. After the start, a joiner of another app and a leaver of the same app are pushed.
func measureBurst(ctx context.Context, w *world, o engineOptions) (results []result, err error) {
	s, err := w.newStage(ctx, "engine-burst")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	const minute = 60
	leaver, joiner := newPerson(), newPerson()
	burst, err := s.app(ctx, "burst", latency, perSecond*minute)
	if err != nil {
		return nil, err
	}
	other, err := s.app(ctx, "other", latency, perSecond*minute)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(
		s.mapping(ctx, "burst", "burst", fmt.Sprintf("user.userName != %q", joiner.userName)),
		s.mapping(ctx, "other", "other", fmt.Sprintf("user.userName == %q", joiner.userName)),
		s.run(ctx, o),
	); err != nil {
		return nil, err
	}
	ids, err := s.push(ctx, o, []person{leaver})
	if err != nil {
		return nil, err
	}
	if err := s.synced(ctx, "burst", 1); err != nil {
		return nil, err
	}
	if _, err := s.push(ctx, o, newPersons(o.joiners)); err != nil {
		return nil, err
	}
	if err := s.await(ctx, "burst under way", func() (bool, error) { return len(aboutUsers(burst)) > o.joiners/5, nil }); err != nil {
		return nil, err
	}
	if err := s.operator.stop(); err != nil {
		return nil, err
	}
	left := o.joiners + 1 - len(burst.Users())
	began := time.Now()
	if err := s.run(ctx, o); err != nil {
		return nil, err
	}
	served := time.Since(began)
	if err := s.deactivate(ctx, ids[0]); err != nil {
		return nil, err
	}
	if _, err := s.push(ctx, o, []person{joiner}); err != nil {
		return nil, err
	}
	pushed := time.Now()
	var leaverOut, joinerIn time.Duration
	if err := s.await(ctx, "leaver and joiner", func() (bool, error) {
		if leaverOut == 0 && !active(burst, leaver.userName) {
			leaverOut = time.Since(pushed)
		}
		if joinerIn == 0 && active(other, joiner.userName) {
			joinerIn = time.Since(pushed)
		}
		return leaverOut > 0 && joinerIn > 0, nil
	}); err != nil {
		return nil, err
	}
	const most = 2 * time.Second
	absolute := fmt.Sprintf("%s joiners still to come; the endpoint served %s after the start", thousands(left), served.Round(10*time.Millisecond))
	unrelated := within("a stop amid "+thousands(o.joiners)+" joiners: a joiner of another app, from the restart's first answer", joinerIn, most)
	gone := within("the same: a leaver of the app that the joiners wait for", leaverOut, most)
	unrelated.absolute, gone.absolute = absolute, "announced in the status and counted by the guard before the call"
	return []result{unrelated, gone}, nil
}

// within is a result that is compared with a time.
func within(figure string, took, most time.Duration) result {
	met := took <= most
	return result{figure: figure, value: fmt.Sprintf("%.2f s", took.Seconds()), wanted: fmt.Sprintf("within %.2f s", most.Seconds()), met: &met}
}
