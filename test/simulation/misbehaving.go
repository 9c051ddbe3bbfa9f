// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"net/http"
)

// misanswer is an answer that has nothing to do with what the app holds, false for none.
func (a *app) misanswer(c *call, collection, id string) (answer, bool) {
	changes := collection == "Users" && (c.method == http.MethodPost || c.method == http.MethodPatch || c.method == http.MethodPut)
	switch {
	case c.fault == faultForeign:
		return success(http.StatusOK, map[string]any{"status": "error", "msg": "the access token does not exist"}), true
	case c.fault == faultPage && id != "":
		return answer{status: http.StatusNotFound, header: map[string]string{"Content-Type": "text/html"}, body: []byte("<html><body>not found</body></html>")}, true
	case c.fault == faultTaken && changes:
		return failure(http.StatusConflict, "uniqueness", "the e-mail address is in use"), true
	case c.fault == faultOther && c.method == http.MethodPost && collection == "Users":
		return a.another(text(object(c.body), "userName"))
	}
	return answer{}, false
}

// another is the account of somebody else, as the answer to a create.
func (a *app) another(userName string) (answer, bool) {
	for _, id := range a.ids("Users") {
		if body := a.users[id].now(); body != nil && text(body, "userName") != userName {
			return success(http.StatusCreated, withID(id, body)), true
		}
	}
	return answer{}, false
}

// shows is a resource as a read shows it.
func (c *call) shows(body map[string]any) map[string]any {
	if c.fault == faultNoMembers {
		delete(body, "members")
	}
	return body
}
