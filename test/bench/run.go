// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// run measures what is asked for. One group of figures that fails does not keep the others from being measured.
func run(ctx context.Context, out io.Writer, o options) (results []result, err error) {
	w, err := newWorld(ctx, out)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	served := []string{scimNamespace, besideNamespace, largeNamespace}
	for _, namespace := range append([]string{bareNamespace, wholeNamespace, bareWholeNamespace, memoryNamespace}, served...) {
		if err := w.directory(ctx, namespace); err != nil {
			return nil, err
		}
	}
	e, err := w.startEndpoint(ctx, false, served...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	r, err := newRates(ctx, w, e, o)
	if err != nil {
		return nil, err
	}
	var failed []error
	found := map[string][]result{}
	for _, group := range []struct {
		name    string
		measure func() ([]result, error)
	}{
		{groupMemory, func() ([]result, error) { return measureMemory(ctx, w, r.bare, o) }},
		{groupSCIMMY, func() ([]result, error) { return measureBeside(ctx, w, e, r.bare, o) }},
		{groupProtocol, func() ([]result, error) { return measureProtocol(ctx, w, o) }},
		{groupWhole, func() ([]result, error) { return measureWhole(ctx, w, r.bare, o) }},
		{groupApart, func() ([]result, error) { return r.apart(ctx) }},
		{groupRates, func() ([]result, error) { return r.all(ctx) }},
		// The last one: it fills the API server.
		{groupSizes, func() ([]result, error) { return measureSizes(ctx, w, e, r.bare, o) }},
	} {
		if !o.wants(group.name) || ctx.Err() != nil {
			continue
		}
		w.say("-- %s", group.name)
		some, err := group.measure()
		found[group.name] = some
		for _, r := range some {
			w.say("%s: %s %s %s; %s", r.figure, r.value, r.wanted, r.verdict(), r.absolute)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", group.name, err))
			w.say("%s failed: %v", group.name, err)
		}
	}
	for _, name := range groups {
		results = append(results, found[name]...)
	}
	return results, errors.Join(failed...)
}
