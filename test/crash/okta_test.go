// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/scim-operator/scim-operator/test/harness"
)

// okta pushes as Okta does (its SCIM 2.0 protocol reference): a look-up by name before each create, updates as GET and PUT of
// what was got, PATCH for active and for members. What is not answered, or with a 5xx, is asked again until it is.
type okta struct {
	scim *harness.SCIM
	// patience is how long a request is repeated.
	patience time.Duration
}

// finalError is an answer that repeating does not change.
type finalError struct {
	what   string
	answer harness.Answer
}

func (e *finalError) Error() string {
	return fmt.Sprintf("%s: status %d: %s", e.what, e.answer.Status, e.answer.Body)
}

// try makes one request. again says that the outcome is unknown, or that nothing was done and it has to be asked again.
func (o *okta) try(ctx context.Context, method, path, body string) (answer harness.Answer, again bool, err error) {
	answer, err = o.scim.Send(ctx, method, path, body)
	switch {
	case ctx.Err() != nil:
		return answer, false, ctx.Err()
	case err != nil, answer.Status >= http.StatusInternalServerError, answer.Status == http.StatusTooManyRequests:
		return answer, true, err
	default:
		return answer, false, nil
	}
}

// repeat calls attempt until it is done. attempt is not done where try says again.
func (o *okta) repeat(ctx context.Context, what string, attempt func(context.Context) (again bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, o.patience)
	defer cancel()
	var last error
	for {
		again, err := attempt(ctx)
		if !again {
			if err != nil && last != nil {
				return fmt.Errorf("%s: %w (before: %w)", what, err, last)
			}
			return err
		}
		last = err
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s: %w", what, o.patience, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// request repeats one request until it is answered, and wants one of the statuses.
func (o *okta) request(ctx context.Context, method, path, body string, statuses ...int) (harness.Answer, error) {
	var answer harness.Answer
	err := o.repeat(ctx, method+" "+path, func(ctx context.Context) (again bool, err error) {
		answer, again, err = o.try(ctx, method, path, body)
		return again, err
	})
	if err != nil {
		return answer, err
	}
	for _, status := range statuses {
		if answer.Status == status {
			return answer, nil
		}
	}
	return answer, &finalError{what: method + " " + path, answer: answer}
}

// lookup finds a resource by name; nil if there is none.
func (o *okta) lookup(ctx context.Context, path, attribute, name string) (found map[string]any, again bool, err error) {
	query := url.Values{"filter": {fmt.Sprintf("%s eq %q", attribute, name)}, "startIndex": {"1"}, "count": {"100"}}
	answer, again, err := o.try(ctx, http.MethodGet, path+"?"+query.Encode(), "")
	if again || err != nil {
		return nil, again, err
	}
	resources, _ := answer.JSON["Resources"].([]any)
	switch {
	case answer.Status != http.StatusOK:
		return nil, false, &finalError{what: "look-up", answer: answer}
	case len(resources) > 1:
		return nil, false, fmt.Errorf("a look-up shows %d resources: %s", len(resources), answer.Body)
	case len(resources) == 0:
		return nil, false, nil
	}
	found, _ = resources[0].(map[string]any)
	return found, false, nil
}

// create looks a resource up and creates it if it is not there; after anything but a clear answer it begins anew.
func (o *okta) create(ctx context.Context, path, attribute, name, body string) (id string, err error) {
	unclear := false
	err = o.repeat(ctx, "creating "+name, func(ctx context.Context) (bool, error) {
		found, again, err := o.lookup(ctx, path, attribute, name)
		if again || err != nil {
			return again, err
		}
		if found != nil {
			if !unclear {
				return false, fmt.Errorf("%s is there before it was pushed: %v", name, found)
			}
			id, _ = found["id"].(string)
			return false, nil
		}
		answer, again, err := o.try(ctx, http.MethodPost, path, body)
		switch {
		case again:
			unclear = true
			return true, err
		case err != nil:
			return false, err
		case answer.Status == http.StatusCreated:
			id = answer.ID()
			return false, nil
		case answer.Status == http.StatusConflict && unclear:
			// The first attempt was finished meanwhile: the next look-up shows it.
			return true, &finalError{what: "POST " + path, answer: answer}
		default:
			return false, &finalError{what: "POST " + path, answer: answer}
		}
	})
	return id, err
}

func (o *okta) createUser(ctx context.Context, p *person) error {
	id, err := o.create(ctx, "/Users", "userName", p.userName, harness.UserBody(p.userName, p.given, p.family))
	p.id = id
	return err
}

func (o *okta) createGroup(ctx context.Context, displayName string) (id string, err error) {
	body := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":%q,"members":[]}`, displayName)
	return o.create(ctx, "/Groups", "displayName", displayName, body)
}

// update merges attributes into what a GET gives and puts it back.
func (o *okta) update(ctx context.Context, id string, attributes map[string]any) error {
	return o.repeat(ctx, "updating a user", func(ctx context.Context) (bool, error) {
		answer, again, err := o.try(ctx, http.MethodGet, "/Users/"+id, "")
		if again || err != nil {
			return again, err
		}
		if answer.Status != http.StatusOK {
			return false, &finalError{what: "GET of a user", answer: answer}
		}
		for name, value := range attributes {
			answer.JSON[name] = value
		}
		body, err := json.Marshal(answer.JSON)
		if err != nil {
			return false, err
		}
		answer, again, err = o.try(ctx, http.MethodPut, "/Users/"+id, string(body))
		if again || err != nil {
			return again, err
		}
		if answer.Status != http.StatusOK {
			return false, &finalError{what: "PUT of a user", answer: answer}
		}
		return false, nil
	})
}

// setActive deactivates or reactivates, as the client family with PATCH does.
func (o *okta) setActive(ctx context.Context, id string, active bool) error {
	body := harness.PatchBody(fmt.Sprintf(`{"op":"replace","value":{"active":%t}}`, active))
	_, err := o.request(ctx, http.MethodPatch, "/Users/"+id, body, http.StatusOK, http.StatusNoContent)
	return err
}

// delete removes a resource. When it has to ask again, the resource may be gone already.
func (o *okta) delete(ctx context.Context, path string) error {
	_, err := o.request(ctx, http.MethodDelete, path, "", http.StatusNoContent, http.StatusNotFound)
	return err
}

// patchGroup changes members or the name of a group.
func (o *okta) patchGroup(ctx context.Context, id string, operations ...string) error {
	_, err := o.request(ctx, http.MethodPatch, "/Groups/"+id, harness.PatchBody(operations...), http.StatusOK, http.StatusNoContent)
	return err
}

// renameGroup sends the path-less replace that Okta sends, id included.
func (o *okta) renameGroup(ctx context.Context, id, displayName string) error {
	return o.patchGroup(ctx, id, fmt.Sprintf(`{"op":"replace","value":{"id":%q,"displayName":%q}}`, id, displayName))
}
