// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// deleting is a directory in which deleting takes its time.
type deleting struct {
	Directory
	delete func(ctx context.Context) error
}

func (d deleting) Delete(ctx context.Context, _ *scim.ResourceType, _ string) error {
	return d.delete(ctx)
}

// deleteInBulk sends a bulk request of n DELETEs, and gives how many have each status, and what was logged.
func deleteInBulk(t *testing.T, limits Limits, n int, del func(context.Context) error) (statuses map[string]int, logged string) {
	t.Helper()
	var log strings.Builder
	handler, err := New(Options{
		Directory: func(directory.Scope) Directory { return deleting{delete: del} },
		Clients:   sources{},
		Limits:    limits,
		Log:       funcr.New(func(prefix, args string) { log.WriteString(prefix + args + "\n") }, funcr.Options{}),
		Metrics:   prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	var operations []string
	for i := range n {
		operations = append(operations, fmt.Sprintf(`{"method": "DELETE", "path": "/Users/u.%d"}`, i))
	}
	body := `{"schemas": ["` + scim.BulkRequestSchema + `"], "Operations": [` + strings.Join(operations, ",") + `]}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/team/okta/scim/v2/Bulk", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer 0123456789abcdef")
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Operations []struct{ Status, Location string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v", resp.StatusCode, err)
	}
	statuses = map[string]int{}
	for i, o := range answer.Operations {
		statuses[o.Status]++
		if !strings.HasSuffix(o.Location, fmt.Sprintf("/team/okta/scim/v2/Users/u.%d", i)) {
			t.Errorf("operation %d has the location %q", i, o.Location)
		}
	}
	// The line of the request is written after its answer.
	server.Close()
	return statuses, log.String()
}

func TestBulkThatRunsOutOfTimeReportsWhatWasNotBegun(t *testing.T) {
	limits := DefaultLimits()
	limits.Request = bulkReserve + time.Second
	statuses, _ := deleteInBulk(t, limits, 100, func(context.Context) error {
		time.Sleep(100 * time.Millisecond)
		return nil
	})
	if statuses["204"] < 1 || statuses["204"] > 11 || statuses["503"] != 100-statuses["204"] {
		t.Errorf("%v", statuses)
	}
}

func TestBulkOfFailuresIsLoggedOnce(t *testing.T) {
	statuses, logged := deleteInBulk(t, DefaultLimits(), 20, func(context.Context) error {
		return &directory.UnavailableError{Err: scim.NewError(503, "the API server does not answer"), RetryAfter: time.Second}
	})
	if statuses["503"] != 20 || strings.Count(logged, "Request failed") != 1 {
		t.Errorf("%v\n%s", statuses, logged)
	}
}

func TestBulkOperationThatPanicsFailsAlone(t *testing.T) {
	n := 0
	statuses, _ := deleteInBulk(t, DefaultLimits(), 3, func(context.Context) error {
		if n++; n == 2 {
			panic("kim@corp.test")
		}
		return nil
	})
	if statuses["204"] != 2 || statuses["500"] != 1 {
		t.Errorf("%v", statuses)
	}
}

// halfMaking is a directory that makes one resource, and then the client has gone.
type halfMaking struct {
	Directory
	leave func()
	// deletes are the times that there were to delete something.
	deletes *[]time.Duration
}

func (d halfMaking) Create(ctx context.Context, r *scim.Resource) (*scim.Resource, error) {
	if r.String("displayName") != "first" {
		d.leave()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	r.Set("id", "g-1.aaaaaaaaaaaaa")
	return r, nil
}

func (d halfMaking) Delete(ctx context.Context, _ *scim.ResourceType, _ string) error {
	end, _ := ctx.Deadline()
	*d.deletes = append(*d.deletes, time.Until(end))
	return ctx.Err()
}

func TestBulkRemovesWhatIsHalfMadeThoughTheClientHasGone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var deletes []time.Duration
	handler, err := New(Options{
		Directory: func(directory.Scope) Directory { return halfMaking{leave: cancel, deletes: &deletes} }, Clients: sources{}, Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	group := func(name, other string) string {
		return fmt.Sprintf(`{"method": "POST", "bulkId": %q, "path": "/Groups", "data": {"schemas": [%q], "displayName": %q, "members": [{"value": "bulkId:%s"}]}}`,
			name, scim.GroupSchemaID, name, other)
	}
	body := `{"schemas": ["` + scim.BulkRequestSchema + `"], "Operations": [` + group("first", "second") + "," + group("second", "first") + `]}`
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/team/okta/scim/v2/Bulk", strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer 0123456789abcdef")
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, req)
	if len(deletes) != 1 || deletes[0] > DefaultLimits().Request+undoTime || !strings.Contains(recorder.Body.String(), "removed again") {
		t.Errorf("deletes with %v left: %s", deletes, recorder.Body)
	}
}
