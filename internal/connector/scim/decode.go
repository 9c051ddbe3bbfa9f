// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"encoding/json"
	"strings"
	"unicode"

	"github.com/scim-operator/scim-operator/internal/bounded"
	"github.com/scim-operator/scim-operator/internal/connector"
)

// text returns a string, or a number as it is written: there are apps whose ids are numbers.
func text(object map[string]any, name string) string {
	switch value := connector.Field(object, name).(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	default:
		return ""
	}
}

// scalar is a string or number in JSON that is read into its text; any other value is empty.
type scalar string

// UnmarshalJSON implements json.Unmarshaler.
func (t *scalar) UnmarshalJSON(data []byte) error {
	*t = ""
	switch c := data[0]; {
	case c == '"':
		var value string
		if err := json.Unmarshal(data, &value); err != nil {
			return err
		}
		*t = scalar(value)
	case c == '-' || '0' <= c && c <= '9':
		*t = scalar(data)
	}
	return nil
}

// checkID refuses an id that nothing can be done with: it would not fit into a status.
func checkID(op, id string) error {
	switch {
	case bounded.Size(id) > connector.MaxIDLength:
		return unusable(op, "the app's answer has an id of %d bytes; at most %d are supported", bounded.Size(id), connector.MaxIDLength)
	case strings.ContainsFunc(id, unicode.IsControl):
		return unusable(op, "the app's answer has an id with control characters; they are not supported")
	default:
		return nil
	}
}

// decodeUser reads an account. The id that the account was addressed by serves where the answer has none.
func decodeUser(op string, object map[string]any, id string) (connector.User, error) {
	user := connector.User{
		ID:         text(object, "id"),
		UserName:   connector.BoundText(text(object, "userName")),
		ExternalID: connector.BoundText(text(object, "externalId")),
		Active:     true,
	}
	if user.ID == "" {
		user.ID = id
	}
	switch active := connector.Field(object, "active").(type) {
	case bool:
		user.Active, user.ActiveShown = active, true
	case string:
		user.Active, user.ActiveShown = !strings.EqualFold(active, "false"), true
	}
	if err := checkID(op, user.ID); err != nil {
		return connector.User{}, err
	}
	user.Attributes, _ = withFloats(object).(map[string]any)
	return user, nil
}

// withFloats turns the numbers below a value into float64, as connector.Attributes has them.
func withFloats(node any) any {
	switch v := node.(type) {
	case map[string]any:
		for key, inner := range v {
			v[key] = withFloats(inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = withFloats(inner)
		}
	case json.Number:
		if number, err := v.Float64(); err == nil {
			return number
		}
		return v.String() // beyond the range of a float64
	}
	return node
}

// holds reports whether the attribute at a path, or one of its values, equals value without regard to letter case.
func holds(object map[string]any, path, value string) bool {
	return anyHolds(object, connector.Keys(path), value)
}

func anyHolds(node any, names []string, value string) bool {
	switch v := node.(type) {
	case []any:
		for _, item := range v {
			if anyHolds(item, names, value) {
				return true
			}
		}
		return false
	case map[string]any:
		if len(names) == 0 {
			// A complex value without a sub-attribute in the path means its "value".
			return strings.EqualFold(text(v, "value"), value)
		}
		return anyHolds(connector.Field(v, names[0]), names[1:], value)
	case string:
		return len(names) == 0 && strings.EqualFold(v, value)
	case json.Number:
		return len(names) == 0 && v.String() == value
	default:
		return false
	}
}
