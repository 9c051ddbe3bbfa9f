// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The schema URNs of RFC 7644 3.7.
const (
	BulkRequestSchema  = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	BulkResponseSchema = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
)

// The methods of operations (RFC 7644 3.7).
const (
	methodPost   = "POST"
	methodPut    = "PUT"
	methodPatch  = "PATCH"
	methodDelete = "DELETE"
)

// Bulk is a parsed bulk request: a list of operations, each of which stands for a single request (RFC 7644 3.7).
type Bulk struct {
	// failOnErrors is the number of errors after which nothing more is begun; 0 is no such number.
	failOnErrors int
	ops          []*bulkOp
	// made has the index of the POST of each bulkId.
	made map[string]int
}

// bulkOp is one operation.
type bulkOp struct {
	method, bulkID, version, path string
	// data is the body as it was decoded, nil for DELETE.
	data any
	// needs are the bulkIds that path and data refer to, each once, in the order in which they stand there.
	needs []string
}

// Len counts the operations.
func (b *Bulk) Len() int { return len(b.ops) }

// ParseBulk decodes and validates the body of a bulk request. What makes its results ambiguous refuses the whole request with 400, before anything is done: an
// operation without method, path or data, a POST without bulkId, a bulkId that is there twice. More than maxOperations are 413. What a single request would
// be refused for is the matter of the operation's result instead.
func ParseBulk(body []byte, maxOperations int, o Options) (*Bulk, error) {
	in, err := decodeObject(body)
	if err != nil {
		return nil, err
	}
	if !namesSchema(in, BulkRequestSchema) && !o.tolerates(MissingSchemas) {
		return nil, InvalidSyntax("\"schemas\" has to name %s", BulkRequestSchema)
	}
	list, ok := in.Get("Operations").([]any)
	if !ok {
		return nil, InvalidSyntax("the body has to have an array \"Operations\" (RFC 7644 3.7)")
	}
	if len(list) > maxOperations {
		return nil, NewError(http.StatusRequestEntityTooLarge,
			"the request has %d operations; the limit maxOperations is %d: send several requests", len(list), maxOperations)
	}
	b := &Bulk{made: map[string]int{}}
	if b.failOnErrors, err = parseFailOnErrors(in.Get("failOnErrors")); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i, e := range list {
		op, err := parseBulkOp(e)
		if err == nil && seen[op.bulkID] {
			err = InvalidSyntax("\"bulkId\" %q is the one of another operation, too; it has to be unique within the request", clip(op.bulkID))
		}
		if err != nil {
			return nil, inOperation(i+1, err)
		}
		if op.bulkID != "" {
			seen[op.bulkID] = true
		}
		if op.method == methodPost {
			b.made[op.bulkID] = i
		}
		b.ops = append(b.ops, op)
	}
	return b, nil
}

func namesSchema(in *Object, urn string) bool {
	list, _ := in.Get("schemas").([]any)
	return slices.ContainsFunc(list, func(e any) bool {
		s, ok := e.(string)
		return ok && equalName(s, urn)
	})
}

func parseFailOnErrors(v any) (int, error) {
	if v == nil {
		return 0, nil
	}
	number, ok := v.(json.Number)
	n, err := strconv.Atoi(string(number))
	if !ok || n < 1 || err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, InvalidValue("\"failOnErrors\" has to be an integer of 1 or more; leave it out to have every operation tried")
	}
	return n, nil
}

func parseBulkOp(v any) (*bulkOp, error) {
	in, ok := v.(*Object)
	if !ok {
		return nil, InvalidSyntax("expected an object, found %s", describe(v))
	}
	op := &bulkOp{}
	for _, part := range []struct {
		name string
		to   *string
	}{{"method", &op.method}, {"bulkId", &op.bulkID}, {"version", &op.version}, {"path", &op.path}} {
		value := in.Get(part.name)
		if *part.to, ok = value.(string); !ok && value != nil {
			return nil, InvalidSyntax("%q has to be a string, found %s", part.name, describe(value))
		}
	}
	switch op.method {
	case methodPost, methodPut, methodPatch:
		if op.data = in.Get("data"); op.data == nil {
			return nil, InvalidSyntax("%s has to have \"data\", the body of the request that it stands for", op.method)
		}
		// An example of RFC 7644 3.7.3 has the operations of a PATCH without what is around them.
		if list, ok := op.data.([]any); ok && op.method == methodPatch {
			op.data = &Object{[]field{{"schemas", []any{PatchSchema}}, {"Operations", list}}}
		}
	case methodDelete:
	default:
		return nil, InvalidSyntax("\"method\" has to be \"POST\", \"PUT\", \"PATCH\" or \"DELETE\"")
	}
	if op.method == methodPost && op.bulkID == "" {
		return nil, InvalidSyntax("a POST has to have a \"bulkId\", by which its result is told from others")
	}
	if !strings.HasPrefix(op.path, "/") || strings.ContainsAny(op.path, "?#") {
		return nil, InvalidSyntax("\"path\" has to be the path of a request below the base URL, without a query, such as \"/Users\" or \"/Users/<id>\"")
	}
	if _, _, refers := cutPathRef(op.path); refers && op.method == methodPost {
		return nil, InvalidSyntax("the \"path\" of a POST names an endpoint, such as \"/Users\", and no resource")
	}
	op.path = strings.TrimRight(op.path, "/")
	op.findNeeds()
	return op, nil
}

// BulkStep is one request that has to be made for a bulk request.
type BulkStep struct {
	Method string
	// Path is below the base URL: "/Users/<id>".
	Path string
	// IfMatch is the value of that header, or empty.
	IfMatch string
	// Body is nil for DELETE.
	Body []byte
	// Undo marks the removal of something that the same bulk request has made. It is to be tried even when the time for the request is over.
	Undo bool
}

// BulkReply is what became of a step.
type BulkReply struct {
	// Status is that of HTTP.
	Status int
	// ID is that of a resource that was made.
	ID string
	// Version is the resource's ETag, if there is one.
	Version string
	// Location is the URL of the resource, if there is one.
	Location string
	// Err is nil where the step succeeded.
	Err *Error
}

// BulkExecutor makes the requests that a bulk request stands for.
type BulkExecutor interface {
	// Do makes a request.
	Do(step BulkStep) BulkReply
	// Location is the URL of the resource with a path below the base URL, or "" if the path cannot be that of one.
	Location(path string) string
}

// BulkResponse is the answer to a bulk request.
type BulkResponse struct {
	// Operations are the results, in the order of the request. Operations that were not begun because of failOnErrors have none.
	Operations []BulkResult
}

// BulkResult is what became of one operation.
type BulkResult struct {
	Location string `json:"location,omitempty"`
	Method   string `json:"method"`
	BulkID   string `json:"bulkId,omitempty"`
	Version  string `json:"version,omitempty"`
	// Status is that of HTTP, a string as in RFC 7644 3.7.
	Status string `json:"status"`
	// Response is the error, nil on success.
	Response *Error `json:"response,omitempty"`
}

// MarshalJSON gives the form of RFC 7644 3.7.
func (r *BulkResponse) MarshalJSON() ([]byte, error) {
	operations := r.Operations
	if operations == nil {
		operations = []BulkResult{}
	}
	return json.Marshal(struct {
		Schemas    []string     `json:"schemas"`
		Operations []BulkResult `json:"Operations"`
	}{[]string{BulkResponseSchema}, operations})
}

// conflict is the error of an operation that cannot be done because of another one.
func conflict(format string, args ...any) *Error {
	return NewError(http.StatusConflict, "%s", fmt.Sprintf(format, args...))
}
