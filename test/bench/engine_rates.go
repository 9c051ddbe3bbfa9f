// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
)

// measureEngineRates has new users provisioned to three apps that allow so many calls a second, and half as many to three apps of which one hangs.
func measureEngineRates(ctx context.Context, w *world, o engineOptions) ([]result, error) {
	all, err := w.joinersToThreeApps(ctx, o, "engine-rates", o.joiners, false)
	if err != nil {
		return nil, err
	}
	two, err := w.joinersToThreeApps(ctx, o, "engine-hanging", o.joiners/2, true)
	if err != nil {
		return nil, err
	}
	const least = 0.95
	slowest, others := all.slowest(), two.slowest()
	rate := atLeast(fmt.Sprintf("%s new users to 3 apps of %d calls/s", thousands(o.joiners), perSecond), slowest/perSecond, least)
	rate.absolute = all.String()
	hanging := atLeast("the same with one app that hangs, the other two", others/slowest, least)
	hanging.absolute = fmt.Sprintf("%s; %s new users", two, thousands(o.joiners/2))
	return []result{rate, hanging}, nil
}

// rates are calls per second by app, of those that answer.
type callRates map[string]float64

func (r callRates) slowest() float64 {
	least := 0.0
	for _, rate := range r {
		if least == 0 || rate < least {
			least = rate
		}
	}
	return least
}

func (r callRates) String() string {
	text := "calls/s:"
	for _, name := range []string{"app-1", "app-2", "app-3"} {
		if rate, answers := r[name]; answers {
			text += fmt.Sprintf(" %.1f", rate)
		}
	}
	return text
}

// joinersToThreeApps pushes users and waits until all of them have their accounts in the apps that answer.
func (w *world) joinersToThreeApps(ctx context.Context, o engineOptions, namespace string, joiners int, hangs bool) (rates callRates, err error) {
	s, err := w.newStage(ctx, namespace)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	const minute = 60
	for _, name := range []string{"app-1", "app-2", "app-3"} {
		if _, err := s.app(ctx, name, latency, perSecond*minute); err != nil {
			return nil, err
		}
		if err := s.mapping(ctx, name, name, "true"); err != nil {
			return nil, err
		}
	}
	if err := s.run(ctx, o); err != nil {
		return nil, err
	}
	answering := []string{"app-1", "app-2", "app-3"}
	if hangs {
		if _, err := s.push(ctx, o, newPersons(1)); err != nil {
			return nil, err
		}
		if err := s.synced(ctx, "app-3", 1); err != nil {
			return nil, err
		}
		s.apps["app-3"].ClearFaults()
		s.apps["app-3"].Inject(fakeapp.Fault{Hang: true})
		answering = answering[:2]
	}
	for _, name := range answering {
		s.apps[name].ResetCalls()
	}
	if _, err := s.push(ctx, o, newPersons(joiners)); err != nil {
		return nil, err
	}
	if hangs {
		joiners++
	}
	rates = callRates{}
	for _, name := range answering {
		if err := s.synced(ctx, name, joiners); err != nil {
			return nil, err
		}
	}
	for _, name := range answering {
		calls := aboutUsers(s.apps[name])
		rates[name] = float64(len(calls)-1) / calls[len(calls)-1].At.Sub(calls[0].At).Seconds()
	}
	return rates, nil
}
