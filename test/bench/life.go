// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// changed is how many members a replacement of the whole group exchanges.
const changed = 10

// life takes a large group through what identity providers do with one, over HTTP, and notes what each step takes and makes the endpoint send to the API server.
func (s *sizes) life(ctx context.Context, group string, members []string) error {
	path, n := "/Groups/"+group, thousands(len(members))
	others := slices.Concat(members[changed:], s.large.ids[len(s.large.ids)-changed:])
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"renaming", func() error {
			return s.large.scim.patchGroup(ctx, group, `{"op":"replace","path":"displayName","value":"everybody"}`)
		}},
		{"reading without members", func() error { return s.reads(ctx, path+"?excludedAttributes=members", 0) }},
		{"reading with all members", func() error { return s.reads(ctx, path, len(members)) }},
		{"asking for one member", func() error {
			filter := fmt.Sprintf("id eq %q and members[value eq %q]", group, members[len(members)/2])
			return s.finds(ctx, "/Groups?attributes=displayName&filter="+url.QueryEscape(filter), 1)
		}},
		{fmt.Sprintf("replacing all members, %d of them others", changed), func() error { return s.replaces(ctx, path, others) }},
		{"reading what came of it", func() error { return s.reads(ctx, path, len(others), others...) }},
		{"emptying", func() error { return s.large.scim.patchGroup(ctx, group, `{"op":"remove","path":"members"}`) }},
		{"reading it empty", func() error { return s.reads(ctx, path, 0) }},
		{"deleting", func() error {
			_, err := s.large.scim.do(ctx, http.MethodDelete, path, nil, http.StatusNoContent)
			return err
		}},
	} {
		before, err := s.w.requestBytes(ctx)
		if err != nil {
			return err
		}
		began := time.Now()
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		took := time.Since(began)
		after, err := s.w.requestBytes(ctx)
		if err != nil {
			return err
		}
		s.results = append(s.results, result{
			figure: "group of " + n + ": " + step.name, value: fmt.Sprintf("%d ms", took.Milliseconds()),
			absolute: fmt.Sprintf("%.1f KiB sent to the API server meanwhile", (after-before)/1024),
		})
	}
	return nil
}

// reads gets a group, which must have so many members, and these if any are named.
func (s *sizes) reads(ctx context.Context, path string, want int, these ...string) error {
	data, err := s.large.scim.do(ctx, http.MethodGet, path, nil, http.StatusOK)
	if err != nil {
		return err
	}
	var group struct {
		Members []struct {
			Value string `json:"value"`
		} `json:"members"`
	}
	if err := json.Unmarshal(data, &group); err != nil {
		return err
	}
	has := map[string]bool{}
	for _, m := range group.Members {
		has[m.Value] = true
	}
	if len(group.Members) != want || len(has) != want {
		return fmt.Errorf("the group has %d members, %d of them different, want %d", len(group.Members), len(has), want)
	}
	for _, id := range these {
		if !has[id] {
			return fmt.Errorf("the group lacks %s", id)
		}
	}
	return nil
}

func (s *sizes) finds(ctx context.Context, query string, want int) error {
	data, err := s.large.scim.do(ctx, http.MethodGet, query, nil, http.StatusOK)
	if err != nil {
		return err
	}
	var found listing
	if err := json.Unmarshal(data, &found); err != nil {
		return err
	}
	if found.TotalResults != want {
		return fmt.Errorf("%d groups have the member, want %d", found.TotalResults, want)
	}
	return nil
}

func (s *sizes) replaces(ctx context.Context, path string, members []string) error {
	type member struct {
		Value string `json:"value"`
	}
	list := make([]member, len(members))
	for i, id := range members {
		list[i].Value = id
	}
	body, err := json.Marshal(map[string]any{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Group"}, "displayName": "all of them", "members": list,
	})
	if err != nil {
		return err
	}
	_, err = s.large.scim.do(ctx, http.MethodPut, path+"?attributes=displayName", body, http.StatusOK)
	return err
}
