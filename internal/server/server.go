// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package server is the SCIM 2.0 endpoint over HTTP (RFC 7644): routes, authentication, request limits, discovery. What the requests do to users and groups
// is the directory's matter, what they mean is that of package scim.
//
// Every answer, whatever went wrong, has a SCIM body. Nothing here logs or counts anything that a request holds besides its method, its route and its outcome.
package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// Directory is the users and groups as one request of one client may see and change them. *directory.Directory is one.
type Directory interface {
	Create(ctx context.Context, r *scim.Resource) (*scim.Resource, error)
	Get(ctx context.Context, rt *scim.ResourceType, id string) (*scim.Resource, error)
	List(ctx context.Context, rt *scim.ResourceType, q directory.Query) (*scim.ListResponse[*scim.Resource], error)
	Replace(ctx context.Context, id string, r *scim.Resource) (*scim.Resource, error)
	Patch(ctx context.Context, rt *scim.ResourceType, id string, p *scim.Patch) (*scim.Resource, error)
	Delete(ctx context.Context, rt *scim.ResourceType, id string) error
}

// ClientSource knows who may push. The error is clients.ErrUnknown for a client that does not exist.
type ClientSource interface {
	Client(ctx context.Context, namespace, name string) (clients.Config, error)
}

// ToleranceNoter hears that a ScimClient needed a tolerance. known are those of which its status tells. It must not block.
type ToleranceNoter interface {
	Note(scimClient types.NamespacedName, known []string, tolerance string)
}

// Identity is who sends a request.
type Identity struct {
	// Namespace is the directory.
	Namespace string
	// Client is the name of the ScimClient.
	Client string
	// Config is what the ScimClient says.
	Config clients.Config
}

// label is the identity as a value of the metrics' label client.
func (i Identity) label() string {
	if i.Client == "" {
		return ""
	}
	return i.Namespace + "/" + i.Client
}

// Limits bound what one request may cost.
type Limits struct {
	// UserBody and GroupBody are the largest request bodies, in bytes. A PUT of a group carries all of its members.
	UserBody, GroupBody int64
	// LargeBodies is how much the bodies of all requests that are larger than 1 MiB may have together, in bytes. More of them wait a little, then it is 503.
	LargeBodies int64
	// BulkBody is the largest body of a bulk request, in bytes, and BulkOperations the most operations in one.
	BulkBody       int64
	BulkOperations int
	// DefaultPage and MaxPage are the rows of a page of results when the client asks for none, and at most.
	DefaultPage, MaxPage int
	// Scan is how many resources a query may look at that no index serves. A page by cursor ends there; any other query is 400 tooMany.
	Scan int
	// Request is the time for one request. Okta gives up after 60 s.
	Request time.Duration
}

// DefaultLimits suit the identity providers that are known. A PUT of a group of 100,000 members, with the $ref and display of each as a GET gave them, has 25 MB.
func DefaultLimits() Limits {
	return Limits{
		UserBody: 1 << 20, GroupBody: 32 << 20, LargeBodies: 64 << 20, BulkBody: 4 << 20, BulkOperations: 200, DefaultPage: 100, MaxPage: 1000, Scan: 200000, Request: 30 * time.Second,
	}
}

// Options configure the endpoint.
type Options struct {
	// Directory gives the users and groups for one request.
	Directory func(directory.Scope) Directory
	// Clients knows who may push.
	Clients ClientSource
	// Tolerances hears which tolerances clients need, if it is set. *clients.Tolerances is one.
	Tolerances ToleranceNoter
	// Activity hears what clients do, if it is set. *clients.Activity is one.
	Activity ActivityNoter
	// ExternalURL is the URL under which clients reach the endpoint, such as "https://scim.example.com", for the locations in answers. Where it is
	// empty, the request's Host is used; forwarding headers never are, for anybody can send them.
	ExternalURL string
	// Limits of a request. DefaultLimits where it is zero.
	Limits Limits
	// Log gets one line for each request.
	Log logr.Logger
	// Metrics is where the metrics are registered.
	Metrics prometheus.Registerer
	// Clock gives the time. time.Now where it is nil.
	Clock func() time.Time
}

// New makes the endpoint.
func New(o Options) (http.Handler, error) {
	external, err := externalBase(o.ExternalURL)
	if err != nil {
		return nil, err
	}
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	if o.Tolerances != nil {
		m.note = func(id Identity, t scim.Tolerance) {
			o.Tolerances.Note(types.NamespacedName{Namespace: id.Namespace, Name: id.Client}, id.Config.Tolerances, string(t))
		}
	}
	externalURL, err := url.Parse(external)
	if err != nil {
		return nil, err
	}
	return &handler{
		directory: o.Directory, clients: o.Clients, activity: o.Activity, external: external, limits: o.Limits, log: o.Log, metrics: m, now: o.Clock,
		throttle: newThrottle(), limiters: newLimiters(), largeBodies: semaphore.NewWeighted(o.Limits.LargeBodies), externalPath: externalURL.EscapedPath(),
	}, nil
}

type handler struct {
	directory func(directory.Scope) Directory
	clients   ClientSource
	activity  ActivityNoter
	// external is the URL of the endpoint without trailing slash, or empty.
	external string
	limits   Limits
	log      logr.Logger
	metrics  *metrics
	now      func() time.Time
	throttle *throttle
	limiters *limiters
	// largeBodies counts the bytes of the large bodies of all requests.
	largeBodies *semaphore.Weighted
	// externalPath is the path in external.
	externalPath string
}

func externalBase(external string) (string, error) {
	if external == "" {
		return "", nil
	}
	u, err := url.Parse(external)
	if err != nil {
		return "", fmt.Errorf("external URL: %w", err)
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", errors.New("external URL: want https://host[:port][/path]")
	}
	return strings.TrimRight(external, "/"), nil
}
