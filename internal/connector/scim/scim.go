// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package scimconn is the connector for apps with a SCIM 2.0 API (RFC 7643, RFC 7644), driven by a profile that says how the app deviates.
package scimconn

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
	"github.com/scim-operator/scim-operator/internal/egress"
)

// Options describe one app.
type Options struct {
	Profile profiles.Profile
	// BaseURL of the app; empty takes the profile's default.
	BaseURL string
	// Token is the credential; space around it is ignored.
	Token string
	// CABundle holds PEM certificates; when not empty, only these are trusted.
	CABundle []byte
	// ProxyURL is an HTTP(S) proxy; empty follows the environment.
	ProxyURL string
	// Egress says which addresses may be reached; nil is all of them.
	Egress *egress.Policy
	// Transport sends the requests in place of the connector's own, see connector.HTTPOptions; nil is its own.
	Transport http.RoundTripper
	// Limits override the profile's where they are not zero.
	Limits connector.Limits
	// MembersPerRequest is what an earlier connector learned, see connector.Batched.
	MembersPerRequest int
	// UserAgent of the requests, for example "scim-operator/1.0".
	UserAgent string
	// Clock tells the time; nil is time.Now.
	Clock func() time.Time
	// Observe is told of each HTTP request, see connector.HTTPOptions.
	Observe func(op string, status int, took time.Duration, err error)
}

// Connector implements connector.Connector.
type Connector struct {
	profile profiles.Profile
	http    *connector.HTTP
	// maxMembers is the largest number of members in one request; 0 is no bound. learned is a smaller one that the app showed to be its limit, 0 for none.
	maxMembers int
	learned    atomic.Int64
}

var (
	_ connector.Connector = (*Connector)(nil)
	_ connector.Blocked   = (*Connector)(nil)
	_ connector.Batched   = (*Connector)(nil)
)

// New checks the options and returns a connector. It makes no request. Its error is about the configuration.
func New(options Options) (*Connector, error) {
	profile := options.Profile
	rawURL := options.BaseURL
	if rawURL == "" {
		rawURL = profile.DefaultBaseURL
	}
	baseURL, err := connector.NormalizeBaseURL(rawURL, profile.BasePath)
	if err != nil {
		return nil, err
	}
	token := strings.TrimSpace(options.Token)
	if token == "" {
		return nil, errors.New("the token is empty")
	}
	client, err := connector.NewHTTP(connector.HTTPOptions{
		BaseURL:       baseURL,
		Authorization: strings.TrimSpace(profile.SCIM.AuthWord + " " + token),
		Headers:       profile.SCIM.Headers,
		ContentType:   profile.SCIM.ContentType,
		Accept:        "application/scim+json, application/json",
		UserAgent:     options.UserAgent,
		CABundle:      options.CABundle,
		ProxyURL:      options.ProxyURL,
		Egress:        options.Egress,
		Transport:     options.Transport,
		Limits:        options.Limits.Or(profile.Limits),
		Signals:       profile.SCIM.Signals,
		Clock:         options.Clock,
		Observe:       options.Observe,
	})
	if err != nil {
		return nil, err
	}
	c := &Connector{profile: profile, http: client, maxMembers: cmp.Or(options.Limits.MembersPerRequest, profile.SCIM.MaxMembers)}
	c.learned.Store(int64(options.MembersPerRequest))
	return c, nil
}

// Close implements connector.Connector.
func (c *Connector) Close() { c.http.Close() }

// BlockedUntil implements connector.Blocked.
func (c *Connector) BlockedUntil() time.Time { return c.http.BlockedUntil() }

// Test implements connector.Connector: it reads one row of the users, as Okta's "Test API Credentials" does, or what the profile names.
func (c *Connector) Test(ctx context.Context) error {
	request := connector.HTTPRequest{Op: connector.OpTest, Method: http.MethodGet, Path: c.profile.SCIM.ProbePath}
	if request.Path == "" {
		request.Path = c.profile.SCIM.UsersPath
		request.Query = url.Values{"startIndex": {"1"}, "count": {"1"}}
	}
	isList := c.profile.SCIM.ProbePath != ""
	// A login page or a proxy answers 200 as well, and some apps answer so when they refuse the token. An app that ignores count answers with many rows, hence
	// element by element.
	request.Read = func(body io.Reader) *connector.Error {
		s := newStream(body)
		err := s.object(func(name string) error {
			isArray, err := s.elements(s.skip)
			isList = isList || strings.EqualFold(name, "Resources") && isArray || strings.EqualFold(name, "totalResults")
			return err
		})
		switch {
		case err != nil:
			return streamError(connector.OpTest, err)
		case !isList:
			return unexpected(connector.OpTest, "the answer is no list of users, but another JSON object; the app may refuse the token in this way")
		default:
			return nil
		}
	}
	_, err := c.http.Do(ctx, request)
	return err
}

// resource sends a request whose answer is one resource. It returns nil without an error where a write was answered without a body.
func (c *Connector) resource(ctx context.Context, request connector.HTTPRequest) (object map[string]any, response connector.HTTPResponse, err error) {
	request.Check = func(body []byte) *connector.Error {
		if len(bytes.TrimSpace(body)) == 0 {
			return nil
		}
		var e *connector.Error
		object, e = decodeResource(request.Op, body)
		return e
	}
	response, err = c.http.Do(ctx, request)
	if err == nil && object == nil && needsBody(request, response) {
		err = noBody(request.Op, response)
	}
	return object, response, err
}

// remove deletes the resource at path. An answer with a body that is no resource may say that nothing was deleted.
func (c *Connector) remove(ctx context.Context, op, path, id string) error {
	_, _, err := c.resource(ctx, connector.HTTPRequest{Op: op, Method: http.MethodDelete, Path: path, Personal: []string{id}})
	return err
}

// resourcePath appends an id to a collection's path. An id comes from the app and may not lead anywhere else.
func resourcePath(op, collection, id string) (string, error) {
	if id == "" || id == "." || id == ".." {
		return "", &connector.Error{Op: op, Kind: connector.Invalid, Detail: "the id is empty or a path"}
	}
	return collection + "/" + url.PathEscape(id), nil
}

// filter returns `attribute eq "value"` in the quotes that the app wants.
func (c *Connector) filter(attribute, value string) string {
	escaped := strings.NewReplacer(`\`, `\\`, string(c.profile.SCIM.Quote), `\`+string(c.profile.SCIM.Quote)).Replace(value)
	return attribute + " eq " + string(c.profile.SCIM.Quote) + escaped + string(c.profile.SCIM.Quote)
}

func unexpected(op, format string, args ...any) *connector.Error {
	return &connector.Error{Op: op, Kind: connector.UnexpectedAnswer, Sent: true, Detail: fmt.Sprintf(format, args...)}
}

// unusable is the error of an answer that concerns one account or group alone.
func unusable(op, format string, args ...any) *connector.Error {
	return &connector.Error{Op: op, Kind: connector.UnusableAnswer, Sent: true, Detail: fmt.Sprintf(format, args...)}
}

// decodeResource reads a resource, with its numbers as they are.
func decodeResource(op string, body []byte) (map[string]any, *connector.Error) {
	value, err := decodeJSON(body)
	if err != nil {
		return nil, streamError(op, err)
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, streamError(op, errNotJSON)
	}
	schemas, _ := connector.Field(object, "schemas").([]any)
	return object, checkKind(op, text(object, "id"), schemas)
}

// checkKind refuses an answer that is no resource: some apps report a failure with 200. A resource has an id or names its schemas.
func checkKind(op, id string, schemas []any) *connector.Error {
	for _, schema := range schemas {
		if name, ok := schema.(string); ok && connector.IsErrorSchema(name) {
			return unexpected(op, "the app answered with success, but with an error in the body")
		}
	}
	if id == "" && len(schemas) == 0 {
		return unexpected(op, "the app answered with success, but with neither an account nor a group in the body: it has no id and no schemas")
	}
	return nil
}
