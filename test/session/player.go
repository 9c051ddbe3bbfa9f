// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Play plays a session, one step after the other.
func (w *World) Play(ctx context.Context, steps []Step) error {
	checker, err := newChecker(ctx, w)
	if err != nil {
		return err
	}
	player := &player{World: w, ids: variables{}, checker: checker}
	for i, s := range steps {
		if err := player.do(ctx, s); err != nil {
			return fmt.Errorf("step %d of the session: %w", i+1, err)
		}
	}
	return nil
}

type player struct {
	*World
	ids     variables
	checker *checker
	// requests since the last heading.
	requests int
}

func (p *player) do(ctx context.Context, s Step) error {
	switch {
	case s.Say != "":
		p.Say("\n# %s", s.Say)
		p.requests = 0
		return nil
	case s.Apply != nil:
		object := &unstructured.Unstructured{Object: s.Apply}
		object.SetNamespace(p.Namespace)
		return p.Apply(ctx, object)
	case s.Expect != nil:
		return p.checker.await(ctx, s.Expect, p.requests)
	default:
		return p.request(ctx, s)
	}
}

// request sends what the identity provider sends and checks the answer.
func (p *player) request(ctx context.Context, s Step) error {
	text, err := p.ids.fill(s.SCIM)
	if err != nil {
		return err
	}
	method, path, _ := strings.Cut(text, " ")
	body, err := p.body(ctx, s, path)
	if err != nil {
		return fmt.Errorf("%s: %w", s.SCIM, err)
	}
	got, err := p.exchange(ctx, s.Want, method, path, s.Query, body)
	if err != nil {
		return fmt.Errorf("%s: %w", s.SCIM, err)
	}
	if rows, _ := got.body["totalResults"].(float64); s.Rows != nil && int(rows) != *s.Rows {
		return fmt.Errorf("%s: totalResults is %v, not %d", s.SCIM, got.body["totalResults"], *s.Rows)
	}
	if s.Save != "" {
		id, _ := got.body["id"].(string)
		if id == "" {
			return fmt.Errorf("%s: the answer has no id to save as %s", s.SCIM, s.Save)
		}
		p.ids[s.Save] = id
	}
	return nil
}

// body is what to send: the step's body, or the resource as it is now with the step's change merged in.
func (p *player) body(ctx context.Context, s Step, path string) ([]byte, error) {
	if s.Merge == nil {
		if s.Body == nil {
			return nil, nil
		}
		filled, err := p.ids.fill(string(s.Body))
		return []byte(filled), err
	}
	filled, err := p.ids.fill(string(s.Merge))
	if err != nil {
		return nil, err
	}
	var change map[string]any
	if err := json.Unmarshal([]byte(filled), &change); err != nil {
		return nil, err
	}
	have, err := p.exchange(ctx, http.StatusOK, http.MethodGet, path, nil, nil)
	if err != nil {
		return nil, err
	}
	return json.Marshal(mergePatch(have.body, change))
}

// exchange sends one request and wants a status.
func (p *player) exchange(ctx context.Context, want int, method, path string, query map[string]string, body []byte) (answer, error) {
	p.requests++
	got, err := p.SCIM.send(ctx, method, path, query, body)
	if err != nil {
		return got, err
	}
	if got.status != want {
		return got, errors.New("the answer is " + fmt.Sprint(got.status) + ", not " + fmt.Sprint(want) + ": " + got.text)
	}
	return got, nil
}
