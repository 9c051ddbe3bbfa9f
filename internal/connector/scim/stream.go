// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/scim-operator/scim-operator/internal/connector"
)

// Bounds of JSON that is read. Decoded JSON takes up to thirty times its size in memory, so the number of values is bounded as well as the bytes.
const (
	// maxRowBytes bounds one row of a listing, the rows together that a lookup keeps, and any attribute of a listing or group but the rows and members.
	maxRowBytes = 256 << 10
	// maxMemberBytes bounds one member of a group.
	maxMemberBytes = 16 << 10
	// maxDepth bounds how deep arrays and objects are nested. SCIM needs five levels.
	maxDepth = 32
	// maxValues bounds the values (members of objects, elements of arrays) of one resource.
	maxValues = 50_000
)

var (
	errNotJSON  = errors.New("not JSON")
	errTooLarge = errors.New("too large")
	errTooDeep  = errors.New("too deep")
)

// window lets a decoder read only so far beyond the value it is at: json.Decoder keeps a value in memory until it is complete.
type window struct {
	reader io.Reader
	// read counts the bytes given to the decoder, limit is where it has to stop.
	read, limit int64
}

// Read implements io.Reader.
func (w *window) Read(p []byte) (int, error) {
	left := w.limit - w.read
	if left <= 0 {
		return 0, errTooLarge
	}
	n, err := w.reader.Read(p[:min(int64(len(p)), left)])
	w.read += int64(n)
	return n, err
}

// stream reads JSON value by value.
type stream struct {
	window  *window
	decoder *json.Decoder
	depth   int
	skipped json.RawMessage
}

func newStream(body io.Reader) *stream {
	w := &window{reader: body}
	s := &stream{window: w, decoder: json.NewDecoder(w)}
	s.decoder.UseNumber()
	return s
}

// open lets the next value have size bytes.
func (s *stream) open(size int64) { s.window.limit = s.decoder.InputOffset() + size }

// token returns the next token; io.EOF only where the JSON has ended.
func (s *stream) token() (json.Token, error) {
	s.open(maxRowBytes)
	token, err := s.decoder.Token()
	switch token {
	case json.Delim('{'), json.Delim('['):
		if s.depth++; s.depth > maxDepth {
			return nil, errTooDeep
		}
	case json.Delim('}'), json.Delim(']'):
		s.depth--
	}
	return token, err
}

// more reports whether the array or object has another element.
func (s *stream) more() bool {
	s.open(maxRowBytes)
	return s.decoder.More()
}

// raw reads the next value into buffer, at most size bytes.
func (s *stream) raw(buffer *json.RawMessage, size int64) error {
	s.open(size)
	return s.decoder.Decode(buffer)
}

// skip reads over the next value, at most maxRowBytes.
func (s *stream) skip() error { return s.raw(&s.skipped, maxRowBytes) }

// skipRest reads over what follows the first token of a value.
func (s *stream) skipRest(token json.Token) error {
	if token != json.Delim('{') && token != json.Delim('[') {
		return nil
	}
	for above := s.depth - 1; s.depth > above; {
		if _, err := s.token(); err != nil {
			return err
		}
	}
	return nil
}

// fields calls field with each name of the object whose first token was read. field reads the value.
func (s *stream) fields(field func(name string) error) error {
	for s.more() {
		token, err := s.token()
		if err != nil {
			return err
		}
		name, _ := token.(string) // a name is a string, else Token fails
		if err := field(name); err != nil {
			return err
		}
	}
	_, err := s.token()
	return err
}

// elements calls element, which reads one, for each element of the array that comes next. Another value is read over, and reported as no array.
func (s *stream) elements(element func() error) (isArray bool, err error) {
	token, err := s.token()
	if err != nil {
		return false, err
	}
	if token != json.Delim('[') {
		return false, s.skipRest(token)
	}
	for s.more() {
		if err := element(); err != nil {
			return true, err
		}
	}
	_, err = s.token()
	return true, err
}

// object reads the one object that the answer is.
func (s *stream) object(field func(name string) error) error {
	token, err := s.token()
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF
	case err != nil:
		return err
	case token != json.Delim('{'):
		return errNotJSON
	}
	if err := s.fields(field); err != nil {
		return unexpectedEnd(err)
	}
	if _, err := s.token(); !errors.Is(err, io.EOF) {
		return errNotJSON
	}
	return nil
}

// unexpectedEnd tells an end in the middle from an answer without a body, and from a caller's error.
func unexpectedEnd(err error) error {
	var stopped *stopError
	if errors.Is(err, io.EOF) && !errors.As(err, &stopped) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// streamError is the error of an answer that could not be read. An error of the connector stays what it is.
func streamError(op string, err error) *connector.Error {
	if e := connector.AsError(err); e != nil {
		return e
	}
	switch {
	case errors.Is(err, errTooLarge):
		return unexpected(op, "a part of the answer is too large")
	case errors.Is(err, errTooDeep):
		return unexpected(op, "the answer is nested too deeply")
	default:
		return unexpected(op, "the answer is not a JSON object")
	}
}

// decodeJSON decodes JSON whose depth and number of values are bounded. Numbers stay as they are written.
func decodeJSON(data []byte) (any, error) {
	if err := checkShape(data); err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, errNotJSON
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotJSON
	}
	return value, nil
}

// checkShape counts depth and values before they are decoded. It need not notice that the JSON is malformed.
func checkShape(data []byte) error {
	depth, values, inString := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			values++
		case c == '}' || c == ']':
			depth--
		case c == ',':
			values++
		}
		if depth > maxDepth {
			return errTooDeep
		}
		if values > maxValues {
			return errTooLarge
		}
	}
	return nil
}
