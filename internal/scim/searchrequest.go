// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import "encoding/json"

// SearchRequestSchema is the schema URN of a query by POST (RFC 7644 3.4.3).
const SearchRequestSchema = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

// SearchRequest holds the parameters of a query as they were sent: those of the query string of a GET (RFC 7644 3.4.2), or of the body of a POST to /.search
// (RFC 7644 3.4.3, RFC 9865 5). What they mean is for ParseFilterOf, ParseSort, ParsePage, ParseCount and ParseProjection to say.
type SearchRequest struct {
	Attributes, ExcludedAttributes []string
	// Filter is nil where there is none.
	Filter            *string
	SortBy, SortOrder string
	// StartIndex and Count are "" where absent.
	StartIndex, Count string
	// Cursor is nil where the page is asked for by index.
	Cursor *string
}

// ParseSearchRequest reads the body of a POST to /.search. What is no SearchRequest, or has a value of a wrong type, is 400 invalidSyntax. Attributes that it does not
// know are ignored, as unknown parameters of a GET are.
func ParseSearchRequest(body []byte, o Options) (*SearchRequest, error) {
	in, err := decodeObject(body)
	if err != nil {
		return nil, err
	}
	if !namesSchema(in, SearchRequestSchema) && !o.tolerates(MissingSchemas) {
		return nil, InvalidSyntax("\"schemas\" has to name %s", SearchRequestSchema)
	}
	r := &SearchRequest{}
	for _, p := range []struct {
		name string
		to   *[]string
	}{{"attributes", &r.Attributes}, {"excludedAttributes", &r.ExcludedAttributes}} {
		if *p.to, err = stringsOf(in, p.name); err != nil {
			return nil, err
		}
	}
	for _, p := range []struct {
		name string
		to   *string
	}{{"sortBy", &r.SortBy}, {"sortOrder", &r.SortOrder}} {
		s, err := stringOf(in, p.name)
		if err != nil {
			return nil, err
		}
		if s != nil {
			*p.to = *s
		}
	}
	for _, p := range []struct {
		name string
		to   *string
	}{{"startIndex", &r.StartIndex}, {"count", &r.Count}} {
		if *p.to, err = numberOf(in, p.name); err != nil {
			return nil, err
		}
	}
	if r.Filter, err = stringOf(in, "filter"); err != nil {
		return nil, err
	}
	r.Cursor, err = stringOf(in, "cursor")
	return r, err
}

// stringOf is nil where the field is absent.
func stringOf(in *Object, name string) (*string, error) {
	switch v := in.Get(name).(type) {
	case nil:
		return nil, nil
	case string:
		return &v, nil
	default:
		return nil, InvalidSyntax("%q has to be a string, found %s", name, describe(v))
	}
}

func stringsOf(in *Object, name string) ([]string, error) {
	v := in.Get(name)
	list, ok := v.([]any)
	if !ok && v != nil {
		return nil, InvalidSyntax("%q has to be an array of strings, found %s", name, describe(v))
	}
	var texts []string
	for _, e := range list {
		s, ok := e.(string)
		if !ok {
			return nil, InvalidSyntax("%q has to be an array of strings, found %s in it", name, describe(e))
		}
		texts = append(texts, s)
	}
	return texts, nil
}

// numberOf gives the literal as it was sent, "" where the field is absent.
func numberOf(in *Object, name string) (string, error) {
	switch v := in.Get(name).(type) {
	case nil:
		return "", nil
	case json.Number:
		return string(v), nil
	default:
		return "", InvalidSyntax("%q has to be an integer, found %s", name, describe(v))
	}
}
