// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Directories of different sizes. The names are of one length, as all that is stored is.
const (
	smallNamespace = "bench-small"
	largeNamespace = "bench-large"
	smallUsers     = 1000
	// spare are users that are in no group at first.
	spare = 200
)

// filled is a directory with users in it.
type filled struct {
	scim      *scim
	processes processes
	persons   []person
	ids       []string
}

// sizes are the figures about large directories and groups.
type sizes struct {
	w            *world
	o            options
	small, large filled
	results      []result
}

// measureSizes needs an endpoint that serves largeNamespace. The small directory has an API server and an endpoint of its own: those that hold 100,000 users take longer
// for anybody's.
func measureSizes(ctx context.Context, w *world, e *endpoint, loader *bare, o options) (results []result, err error) {
	other, err := w.another(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, other.close()) }()
	if err := other.directory(ctx, smallNamespace); err != nil {
		return nil, err
	}
	otherEndpoint, err := other.startEndpoint(ctx, false, smallNamespace)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, otherEndpoint.stop()) }()
	otherLoader, err := newBare(other.config, smallNamespace, loader.template, o.workers)
	if err != nil {
		return nil, err
	}
	s := &sizes{w: w, o: o}
	s.small = filled{scim: newSCIM(otherEndpoint.base(smallNamespace), token, w.roots, o.workers), processes: other.processes(otherEndpoint)}
	s.large = filled{scim: newSCIM(e.base(largeNamespace), token, w.roots, o.workers), processes: w.processes(e)}
	if err := s.fill(ctx, &s.small, otherLoader, min(smallUsers, o.users)); err != nil {
		return nil, err
	}
	if err := s.fill(ctx, &s.large, loader.in(largeNamespace), o.users+spare); err != nil {
		return nil, err
	}
	for _, c := range s.figures() {
		r, err := w.compare(ctx, c)
		if err != nil {
			return s.results, err
		}
		s.results = append(s.results, r)
	}
	return s.results, s.group(ctx)
}

// fill loads users and waits until the endpoint lists them.
func (s *sizes) fill(ctx context.Context, f *filled, loader *bare, n int) (err error) {
	f.persons = newPersons(n)
	began := time.Now()
	f.ids, err = loader.load(ctx, f.persons, 2*s.o.workers, func(done int) {
		if done%10_000 == 0 {
			s.w.say("loaded %d of %d users (%.0f/s)", done, n, float64(done)/time.Since(began).Seconds())
		}
	})
	if err != nil {
		return err
	}
	return f.scim.awaitCount(ctx, n)
}

func (s *sizes) figures() []comparison {
	small, large := "at "+thousands(min(smallUsers, s.o.users)), "at "+thousands(s.o.users)
	compare := func(figure string, most float64, ops int, op func(*filled) operation) comparison {
		prepare := func(f *filled) func(int) (operation, error) {
			return func(int) (operation, error) { return op(f), nil }
		}
		return comparison{
			figure: figure, most: most, ops: s.o.ops(ops), workers: 1, turns: turns,
			baseline: side{small, prepare(&s.small), s.small.processes}, ours: side{large, prepare(&s.large), s.large.processes},
		}
	}
	return []comparison{
		compare("lookup by userName "+large+" users", 1.3, 1000, (*filled).lookups),
		compare("first page of 100 "+large+" users", 2, 200, func(f *filled) operation { return f.pages(1) }),
		compare("last page of 100 "+large+" users", 2, 200, func(f *filled) operation { return f.pages(max(1, len(f.persons)-99)) }),
	}
}

// step walks through the users in no order that a cache could guess.
const step = 7919

func (f *filled) lookups() operation {
	return func(ctx context.Context, i int) error {
		return f.scim.lookup(ctx, f.persons[i*step%len(f.persons)].userName, 1)
	}
}

// pages gets the page of 100 that begins at an index.
func (f *filled) pages(startIndex int) operation {
	want := min(100, len(f.persons)-startIndex+1)
	return func(ctx context.Context, _ int) error {
		data, err := f.scim.do(ctx, http.MethodGet, fmt.Sprintf("/Users?startIndex=%d&count=100", startIndex), nil, http.StatusOK)
		if err != nil {
			return err
		}
		var page listing
		if err := json.Unmarshal(data, &page); err != nil {
			return err
		}
		if page.TotalResults != len(f.persons) || len(page.Resources) != want || page.Resources[want-1].ID == "" {
			return fmt.Errorf("the page at %d has %d of %d users, want %d of %d", startIndex, len(page.Resources), page.TotalResults, want, len(f.persons))
		}
		return nil
	}
}

// batch is how many members an identity provider adds at once while a group is filled.
const batch = 1000

// group compares adding one member to a group of ten and to one with all users.
func (s *sizes) group(ctx context.Context) error {
	few, all := s.large.ids[:min(10, len(s.large.ids)-spare)], s.large.ids[:len(s.large.ids)-spare]
	var groups []string
	for _, members := range [][]string{few, all} {
		id, err := s.fillGroup(ctx, members)
		if err != nil {
			return err
		}
		groups = append(groups, id)
	}
	const ops = 15
	names := []string{"of " + thousands(len(few)), "of " + thousands(len(all))}
	c := comparison{
		figure: "adding a member to a group of " + thousands(len(all)), most: 3, ops: min(ops, s.o.ops(ops*100)), workers: 1, turns: 1,
		baseline: side{names[0], s.adds(groups[0]), s.large.processes}, ours: side{names[1], s.adds(groups[1]), s.large.processes},
	}
	r, err := s.w.compare(ctx, c)
	if err != nil {
		return err
	}
	s.results = append(s.results, r)
	if err := s.written(ctx, groups); err != nil {
		return err
	}
	// It begins with whom the group has, not with whom the steps above have added.
	last := groups[len(groups)-1]
	if err := s.replaces(ctx, "/Groups/"+last, all); err != nil {
		return err
	}
	return s.life(ctx, last, all)
}

// thousands writes a number with commas.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

func (s *sizes) fillGroup(ctx context.Context, members []string) (id string, err error) {
	body := fmt.Appendf(nil, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"all %d"}`, len(members))
	data, err := s.large.scim.do(ctx, http.MethodPost, "/Groups", body, http.StatusCreated)
	if err != nil {
		return "", err
	}
	var group resource
	if err := json.Unmarshal(data, &group); err != nil {
		return "", err
	}
	began := time.Now()
	for done := 0; done < len(members); {
		n := min(batch, len(members)-done)
		if err := s.large.scim.addMembers(ctx, group.ID, members[done:done+n]...); err != nil {
			return "", err
		}
		if done += n; done%(20*batch) == 0 {
			s.w.say("added %d of %d members (%.0f/s)", done, len(members), float64(done)/time.Since(began).Seconds())
		}
	}
	return group.ID, nil
}

func (s *scim) addMembers(ctx context.Context, group string, ids ...string) error {
	return s.patchGroup(ctx, group, `{"op":"add","path":"members","value":[{"value":"`+strings.Join(ids, `"},{"value":"`)+`"}]}`)
}

func (s *scim) removeMember(ctx context.Context, group, id string) error {
	return s.patchGroup(ctx, group, `{"op":"remove","path":"members[value eq \"`+id+`\"]"}`)
}

func (s *scim) patchGroup(ctx context.Context, group, operation string) error {
	body := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operation + `]}`
	_, err := s.do(ctx, http.MethodPatch, "/Groups/"+group, []byte(body), http.StatusNoContent)
	return err
}

// adds puts spare users into the group. Those of the round before are taken out again first.
func (s *sizes) adds(group string) func(int) (operation, error) {
	var added []string
	return func(n int) (operation, error) {
		for _, id := range added {
			if err := s.large.scim.removeMember(context.Background(), group, id); err != nil {
				return nil, err
			}
		}
		added = s.large.ids[len(s.large.ids)-n:]
		return func(ctx context.Context, i int) error { return s.large.scim.addMembers(ctx, group, added[i]) }, nil
	}
}

// written counts what one more member makes the endpoint send to the API server, by the sizes of the requests that arrive there.
func (s *sizes) written(ctx context.Context, groups []string) error {
	var bytes []float64
	for _, group := range groups {
		before, err := s.w.requestBytes(ctx)
		if err != nil {
			return err
		}
		const n = 5
		for i := range n {
			if err := s.large.scim.addMembers(ctx, group, s.large.ids[len(s.large.ids)-spare+i]); err != nil {
				return err
			}
		}
		after, err := s.w.requestBytes(ctx)
		if err != nil {
			return err
		}
		bytes = append(bytes, (after-before)/n)
	}
	const limit = 64 << 10
	met := bytes[1] < limit
	s.results = append(s.results, result{
		figure: "written for it", value: fmt.Sprintf("%.1f KiB", bytes[1]/1024), wanted: "under 64 KiB", met: &met,
		absolute: fmt.Sprintf("group of 10: %.1f KiB", bytes[0]/1024),
	})
	return nil
}
