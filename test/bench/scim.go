// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// scim is an identity provider's way to a SCIM server.
type scim struct {
	http        *http.Client
	base, token string
}

// newSCIM makes a client that uses at most so many connections.
func newSCIM(base, token string, roots *x509.CertPool, connections int) *scim {
	return &scim{base: base, token: token, http: &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections,
		},
	}}
}

// do sends a request and gives the body of the answer, which must have the status.
func (s *scim) do(ctx context.Context, method, path string, body []byte, status int) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	if body != nil {
		request.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	answer, err := s.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != status {
		return nil, fmt.Errorf("%s %s: status %d, want %d: %s", method, path, answer.StatusCode, status, data)
	}
	return data, nil
}

// resource is what is checked of a resource.
type resource struct {
	ID       string `json:"id"`
	UserName string `json:"userName"`
	Meta     struct {
		Location string `json:"location"`
	} `json:"meta"`
}

// listing is what is checked of a list.
type listing struct {
	TotalResults int        `json:"totalResults"`
	Resources    []resource `json:"Resources"`
}

// post creates a user and checks the answer.
func (s *scim) post(ctx context.Context, userName string, body []byte) (resource, error) {
	return s.user(ctx, http.MethodPost, "/Users", body, http.StatusCreated, userName)
}

// get reads a user by its id and checks the answer.
func (s *scim) get(ctx context.Context, id, userName string) error {
	r, err := s.user(ctx, http.MethodGet, "/Users/"+id, nil, http.StatusOK, userName)
	if err == nil && r.ID != id {
		return fmt.Errorf("GET of %s gives %s", id, r.ID)
	}
	return err
}

func (s *scim) user(ctx context.Context, method, path string, body []byte, status int, userName string) (r resource, err error) {
	data, err := s.do(ctx, method, path, body, status)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, err
	}
	if r.UserName != userName || r.ID == "" || r.Meta.Location == "" {
		return r, fmt.Errorf("%s %s: not the user %s: %s", method, path, userName, data)
	}
	return r, nil
}

// lookup asks for a userName as Okta does, and checks that there is one such user, or none.
func (s *scim) lookup(ctx context.Context, userName string, want int) error {
	query := "/Users?filter=" + url.QueryEscape(fmt.Sprintf("userName eq %q", userName)) + "&startIndex=1&count=100"
	data, err := s.do(ctx, http.MethodGet, query, nil, http.StatusOK)
	if err != nil {
		return err
	}
	var found listing
	if err := json.Unmarshal(data, &found); err != nil {
		return err
	}
	if found.TotalResults != want || len(found.Resources) != want || want == 1 && found.Resources[0].UserName != userName {
		return fmt.Errorf("the lookup of %s is answered with %s", userName, data)
	}
	return nil
}

// count asks how many users there are.
func (s *scim) count(ctx context.Context) (int, error) {
	data, err := s.do(ctx, http.MethodGet, "/Users?count=0", nil, http.StatusOK)
	if err != nil {
		return 0, err
	}
	var found listing
	return found.TotalResults, json.Unmarshal(data, &found)
}

// awaitCount waits until the endpoint lists so many users.
func (s *scim) awaitCount(ctx context.Context, n int) error {
	for {
		total, err := s.count(ctx)
		if err != nil || total == n {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
