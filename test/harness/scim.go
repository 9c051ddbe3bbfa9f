// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// SCIM is an identity provider's way to the endpoint.
type SCIM struct {
	base, token string
	http        *http.Client
}

// NewSCIM makes a client of a SCIM base URL.
func NewSCIM(base, token string, roots *x509.CertPool) *SCIM {
	return &SCIM{base: base, token: token, http: &http.Client{
		Timeout:   40 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 64},
	}}
}

// As is the way of another ScimClient of the directory, which has the same token.
func (s *SCIM) As(scimClient string) *SCIM {
	return &SCIM{base: strings.Replace(s.base, "/okta/scim/", "/"+scimClient+"/scim/", 1), token: s.token, http: s.http}
}

// With is the same way with another token.
func (s *SCIM) With(token string) *SCIM { return &SCIM{base: s.base, token: token, http: s.http} }

// Answer is what the endpoint said.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	// JSON is the body, nil if it is none.
	JSON map[string]any
}

// ID is the id of the resource in the body.
func (a Answer) ID() string {
	id, _ := a.JSON["id"].(string)
	return id
}

// Send makes one request. A body that is empty is not sent.
func (s *SCIM) Send(ctx context.Context, method, path, body string) (Answer, error) {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, s.base+path, reader)
	if err != nil {
		return Answer{}, err
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	request.Header.Set("User-Agent", "Okta SCIM Client 1.0.0")
	if body != "" {
		request.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	response, err := s.http.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	answer := Answer{Status: response.StatusCode, Header: response.Header, Body: string(data)}
	_ = json.Unmarshal(data, &answer.JSON)
	return answer, err
}

// Do makes one request; no answer fails the test unless the endpoint is just starting.
func (s *SCIM) Do(t testing.TB, method, path, body string) Answer {
	t.Helper()
	answer, err := s.Send(t.Context(), method, path, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer
}

// Want makes one request and fails the test unless it is answered with the status.
func (s *SCIM) Want(t testing.TB, status int, method, path, body string) Answer {
	t.Helper()
	answer := s.Do(t, method, path, body)
	if answer.Status != status {
		t.Fatalf("%s %s: status %d, want %d: %s", method, path, answer.Status, status, answer.Body)
	}
	return answer
}

// UserBody is a user as Okta posts one, placeholder password included.
func UserBody(userName, given, family string) string {
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"name":{"givenName":%q,"familyName":%q},`+
		`"emails":[{"primary":true,"value":%q,"type":"work"}],"displayName":%q,"locale":"en-US","externalId":"okta-%s","groups":[],`+
		`"password":"1mz050nq","active":true}`, userName, given, family, userName, given+" "+family, userName)
}

// CreateUser pushes a user and gives back its id.
func (s *SCIM) CreateUser(t testing.TB, userName string) string {
	t.Helper()
	given, _, _ := strings.Cut(userName, "@")
	return s.Want(t, http.StatusCreated, http.MethodPost, "/Users", UserBody(userName, given, "Tester")).ID()
}

// CreateGroup pushes a group with members and gives back its id.
func (s *SCIM) CreateGroup(t testing.TB, displayName string, members ...string) string {
	t.Helper()
	body := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":%q,"members":%s}`, displayName, MemberList(members...))
	return s.Want(t, http.StatusCreated, http.MethodPost, "/Groups", body).ID()
}

// MemberList is the JSON of members.
func MemberList(ids ...string) string {
	parts := make([]string, len(ids))
	for i, id := range ids {
		parts[i] = fmt.Sprintf(`{"value":%q}`, id)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// PatchBody is a PATCH of the given operations, as JSON.
func PatchBody(operations ...string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + strings.Join(operations, ",") + `]}`
}

// AddMembers and RemoveMember are operations as Okta sends them.
func AddMembers(ids ...string) string {
	return `{"op":"add","path":"members","value":` + MemberList(ids...) + `}`
}

// RemoveMember takes one member out.
func RemoveMember(id string) string {
	return fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, id)
}

// SetActive is Okta's operation without a path.
func SetActive(active bool) string {
	return fmt.Sprintf(`{"op":"replace","value":{"active":%t}}`, active)
}

// FilterQuery is the query of a filter.
func FilterQuery(filter string) string { return "?filter=" + url.QueryEscape(filter) }

// User reads the ScimUser of a SCIM id.
func (d *Directory) User(t testing.TB, id string) *v1alpha1.ScimUser {
	t.Helper()
	user, err := d.GetUser(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// GetUser reads the ScimUser of a SCIM id.
func (d *Directory) GetUser(ctx context.Context, id string) (*v1alpha1.ScimUser, error) {
	name, _, _ := v1alpha1.SplitSCIMID(id)
	user := &v1alpha1.ScimUser{}
	return user, d.Admin.Get(ctx, types.NamespacedName{Namespace: d.Namespace, Name: name}, user)
}

// AwaitAccount waits until a user's account in an app is in a state and nothing more is planned for it, and gives back the user.
func (d *Directory) AwaitAccount(t testing.TB, id, app string, state v1alpha1.AccountState) *v1alpha1.ScimUser {
	t.Helper()
	var user *v1alpha1.ScimUser
	Eventually(t, "the account in "+app+" is "+string(state), func() error {
		var err error
		if user, err = d.GetUser(t.Context(), id); err != nil {
			return err
		}
		account := user.Status.Account(app)
		if account == nil || account.State != state || account.Planned != "" {
			return fmt.Errorf("status is %+v", user.Status)
		}
		return nil
	})
	return user
}

// AwaitReady waits until an app is Ready.
func (d *Directory) AwaitReady(t testing.TB, name string) {
	t.Helper()
	Eventually(t, "ScimApp "+name+" is Ready", func() error {
		app := &v1alpha1.ScimApp{}
		if err := d.Admin.Get(t.Context(), d.Key(name), app); err != nil {
			return err
		}
		for _, condition := range app.Status.Conditions {
			if condition.Type == v1alpha1.ConditionReady && condition.Status == "True" {
				return nil
			}
		}
		return fmt.Errorf("conditions are %+v", app.Status.Conditions)
	})
}

// AwaitActivity waits until the status of a ScimClient tells of its requests and pushes, which costs a write some seconds after the first ones. The next one for accepted
// pushes comes minutes later.
func (d *Directory) AwaitActivity(t testing.TB, name string) {
	t.Helper()
	Eventually(t, "ScimClient "+name+" shows its activity", func() error {
		sc := &v1alpha1.ScimClient{}
		if err := d.Admin.Get(t.Context(), d.Key(name), sc); err != nil {
			return err
		}
		if sc.Status.LastRequestTime == nil || !meta.IsStatusConditionTrue(sc.Status.Conditions, v1alpha1.ConditionPushesAccepted) {
			return fmt.Errorf("status is %+v", sc.Status)
		}
		return nil
	})
}
