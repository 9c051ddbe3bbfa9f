// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/scim-operator/scim-operator/internal/egress"
)

// HTTPOptions describe the way to one app.
type HTTPOptions struct {
	// BaseURL is what paths are appended to, see NormalizeBaseURL.
	BaseURL string
	// Authorization is the value of that header, word and token; empty sends none.
	Authorization string
	// Headers are sent with every request.
	Headers map[string]string
	// ContentType of request bodies, Accept of answers.
	ContentType, Accept string
	UserAgent           string
	// CABundle holds PEM certificates; when not empty, only these are trusted to sign the app's certificate.
	CABundle []byte
	// ProxyURL is the HTTP(S) proxy to use; empty follows the environment (HTTPS_PROXY, NO_PROXY).
	ProxyURL string
	// Egress says which addresses may be reached; nil is all of them.
	Egress *egress.Policy
	// Transport sends the requests; nil is a transport of its own, with TLS, proxy and egress as the other options say. A transport that is given decides about
	// these itself, and about how long a call takes: CABundle, ProxyURL and Limits.Timeout are not used, and Egress only checks the host of BaseURL. Where it
	// fails, the request counts as sent, unless the error is a net.OpError of "dial" or a net.DNSError.
	Transport http.RoundTripper
	Limits    Limits
	// Signals of the app's profile.
	Signals []Signal
	// Clock tells the time; nil is time.Now. Only the wait for the limiter and Limits.Timeout go by the machine's clock.
	Clock func() time.Time
	// Observe, when not nil, is told of each HTTP request: the operation it belongs to, the status (0 without an answer), how long it took, and the error, nil for
	// a success.
	Observe func(op string, status int, took time.Duration, err error)
}

// HTTP sends requests to one app within its limits. It follows no redirect to another host and reads no more than it is told to.
type HTTP struct {
	options HTTPOptions
	client  *http.Client
	limiter *limiter
	// blockedUntil, in Unix nanoseconds: the app asked for no request before.
	blockedUntil atomic.Int64
}

// HTTPRequest is one request to the app.
type HTTPRequest struct {
	// Op is the operation that it is part of.
	Op     string
	Method string
	// Path below the base URL, escaped, with a leading slash.
	Path  string
	Query url.Values
	// Body is sent as JSON; nil sends none.
	Body any
	// Attributes are the paths of the values in Body, see Error.Attributes.
	Attributes []string
	// Personal are values, beside those of the body, that must not appear in an error's text.
	Personal []string
	// Read, when not nil, reads the body of a success while it arrives; HTTPResponse.Body stays empty then. A listing or a group may have MaxAnswerBytes, any
	// other answer has at most MaxResourceBytes. Where the body cannot be read to its end, that is the error, whatever Read makes of it.
	Read func(body io.Reader) *Error
	// Check, when not nil, judges the body of a success that Read does not read. An answer that is not of the expected kind is no success, whatever its status.
	Check func(body []byte) *Error
}

// HTTPResponse is an answer with a status of 2xx.
type HTTPResponse struct {
	Status int
	Header http.Header
	Body   []byte
}

// NewHTTP checks the options and prepares the client. It makes no request.
func NewHTTP(options HTTPOptions) (*HTTP, error) {
	baseURL, err := NormalizeBaseURL(options.BaseURL, "")
	if err != nil {
		return nil, err
	}
	options.BaseURL = baseURL
	if target, err := url.Parse(baseURL); err == nil {
		if err := options.Egress.CheckHost(target.Hostname()); err != nil {
			return nil, fmt.Errorf("base URL: %w", err)
		}
	}
	options.Limits = options.Limits.Or(DefaultLimits)
	options.Limits.Timeout = min(options.Limits.Timeout, MaxTimeout)
	if options.Clock == nil {
		options.Clock = time.Now
	}
	if strings.ContainsAny(options.Authorization, "\r\n\x00") {
		return nil, errors.New("the token has a line break in it")
	}
	transport := options.Transport
	if transport == nil {
		if transport, err = newTransport(options); err != nil {
			return nil, err
		}
	}
	return &HTTP{
		options: options,
		client:  &http.Client{Transport: transport, CheckRedirect: sameHostReadsOnly},
		limiter: newLimiter(options.Limits),
	}, nil
}

func newTransport(options HTTPOptions) (*http.Transport, error) {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(options.CABundle) > 0 {
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM(options.CABundle) {
			return nil, errors.New("the CA bundle holds no PEM certificate")
		}
	}
	proxy := http.ProxyFromEnvironment
	if options.ProxyURL != "" {
		target, err := url.Parse(options.ProxyURL)
		if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
			return nil, errors.New("the proxy URL is not an http or https URL")
		}
		proxy = http.ProxyURL(target)
	}
	// HTTP/1.1 only: on one shared HTTP/2 connection a dead peer would stall every call to the app, and a lost answer could not be told from a refused stream.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  proxy,
		DialContext:            options.Egress.Dialer().DialContext,
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    10 * time.Second,
		Protocols:              protocols,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        60 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}, nil
}

// sameHostReadsOnly stops at a redirect that leaves scheme and host, or that would change the request: net/http turns a POST into a GET on 302.
func sameHostReadsOnly(next *http.Request, before []*http.Request) error {
	first := before[0]
	if first.Method != http.MethodGet || next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host || len(before) > 3 {
		return http.ErrUseLastResponse
	}
	return nil
}

// Close ends idle connections.
func (h *HTTP) Close() { h.client.CloseIdleConnections() }

// Do sends one request. The error is an *Error.
func (h *HTTP) Do(ctx context.Context, request HTTPRequest) (HTTPResponse, error) {
	if e := h.admit(ctx, request.Op); e != nil {
		return HTTPResponse{}, e
	}
	started := h.options.Clock()
	response, e := h.exchange(ctx, request)
	status, err := response.Status, error(nil)
	if e != nil {
		status, err = e.Status, e
	}
	if h.options.Observe != nil {
		h.options.Observe(request.Op, status, h.options.Clock().Sub(started), err)
	}
	return response, err
}

// admit waits for the app's limits, shortly; where the wait would be long it refuses, so that no worker sleeps.
func (h *HTTP) admit(ctx context.Context, op string) *Error {
	now := h.options.Clock()
	if wait := h.BlockedUntil().Sub(now); wait > 0 {
		return &Error{Op: op, Kind: RateLimited, RetryAfter: wait, Detail: "the app asked to wait"}
	}
	return h.limiter.admit(ctx, op, now)
}

// exchange sends the request and reads the answer.
func (h *HTTP) exchange(ctx context.Context, request HTTPRequest) (HTTPResponse, *Error) {
	var sent atomic.Bool
	if h.options.Transport == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, h.options.Limits.Timeout)
		defer cancel()
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	}
	encoded, err := encodeJSON(request.Body)
	if err != nil {
		return HTTPResponse{}, &Error{Op: request.Op, Kind: Invalid, Detail: "the request cannot be written", Err: err}
	}
	httpRequest, err := h.build(ctx, request, encoded)
	if err != nil {
		return HTTPResponse{}, &Error{Op: request.Op, Kind: Invalid, Detail: "the request cannot be written", Err: err}
	}
	answer, err := h.client.Do(httpRequest)
	if err != nil {
		return HTTPResponse{}, transportError(request.Op, err, sent.Load() || h.options.Transport != nil && !neverConnected(err))
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		// What is beyond the bound explains nothing; the status has its meaning without it.
		body, err := io.ReadAll(io.LimitReader(answer.Body, MaxErrorBytes))
		if err != nil {
			return HTTPResponse{}, transportError(request.Op, err, true)
		}
		return HTTPResponse{}, h.refusal(request, encoded, answer, body)
	}
	response := HTTPResponse{Status: answer.StatusCode, Header: answer.Header}
	body, e := h.read(request, answer)
	if e != nil {
		return response, e
	}
	response.Body = body
	return response, nil
}

// read reads the body of a success, or has it read.
func (h *HTTP) read(request HTTPRequest, answer *http.Response) ([]byte, *Error) {
	limit := h.options.Limits.MaxAnswerBytes
	if request.Read == nil {
		limit = min(limit, MaxResourceBytes)
	}
	body := &answerBody{reader: answer.Body, left: limit}
	var content []byte
	var e *Error
	if request.Read != nil {
		e = request.Read(body)
	} else if read, err := io.ReadAll(body); err == nil {
		content = read
		if request.Check != nil {
			e = request.Check(content)
		}
	}
	switch {
	case errors.Is(body.err, errTooLarge):
		e = &Error{Op: request.Op, Kind: UnexpectedAnswer, Sent: true, Detail: fmt.Sprintf("the answer is larger than %d bytes", limit)}
	case body.err != nil:
		e = transportError(request.Op, body.err, true)
	case e != nil && e.Kind == UnexpectedAnswer:
		h.explain(e, request, answer, content)
	}
	if e != nil && e.Status == 0 {
		e.Status = answer.StatusCode
	}
	return content, e
}

// explain adds to the error of a success that is not believed what answered, and what the app said.
func (h *HTTP) explain(e *Error, request HTTPRequest, answer *http.Response, body []byte) {
	if request.Op == OpTest || !isJSON(answer.Header) {
		e.Detail += "; " + h.whatAnswered(answer)
	}
	sent, err := encodeJSON(request.Body)
	if err != nil {
		return
	}
	if values, ok := sentValues(sent); ok {
		e.AppText, e.values = appText(body, h.secret()), append(values, request.Personal...)
	}
}

// neverConnected reports whether a transport that was given failed before the request went out. Any other failure of it may have come after.
func neverConnected(err error) bool {
	var dial *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &dns)
}

// build makes the HTTP request.
func (h *HTTP) build(ctx context.Context, request HTTPRequest, encoded []byte) (*http.Request, error) {
	target := h.options.BaseURL + request.Path
	if len(request.Query) > 0 {
		// A space as %20: "+" means a space only to readers of forms.
		target += "?" + strings.ReplaceAll(request.Query.Encode(), "+", "%20")
	}
	var body io.Reader
	if encoded != nil {
		body = bytes.NewReader(encoded)
	}
	httpRequest, err := http.NewRequestWithContext(ctx, request.Method, target, body)
	if err != nil {
		return nil, err
	}
	for name, value := range h.options.Headers {
		httpRequest.Header.Set(name, value)
	}
	if body != nil {
		httpRequest.Header.Set("Content-Type", h.options.ContentType)
	}
	httpRequest.Header.Set("Accept", h.options.Accept)
	httpRequest.Header.Set("User-Agent", h.options.UserAgent)
	if h.options.Authorization != "" {
		httpRequest.Header.Set("Authorization", h.options.Authorization)
	}
	return httpRequest, nil
}

// refusal is the error of an answer that is no success; it notes how long the app wants no more requests.
func (h *HTTP) refusal(request HTTPRequest, sent []byte, answer *http.Response, body []byte) *Error {
	now := h.options.Clock()
	e := classify(request.Op, answer.StatusCode, answer.Header, body, h.options.Signals, now)
	if values, ok := sentValues(sent); ok {
		e.AppText, e.values = appText(body, h.secret()), append(values, request.Personal...)
		if e.Status/100 == 4 || e.Kind == Conflict {
			e.Attributes = namedAttributes(body, request.Attributes, e.values)
		}
	}
	switch {
	case answer.StatusCode/100 == 3:
		e.Detail = redirection(request.Op, answer)
	case e.Kind == NotFound && !e.InProtocol, request.Op == OpTest && (e.Kind == NotFound || e.Kind == Unsupported || e.Kind == Invalid):
		e.Detail = h.whatAnswered(answer)
	}
	// With a rejected token the wait is for the next try of that token: a new one is tried at once.
	if e.RetryAfter > 0 && e.Kind != Credentials {
		h.block(now.Add(e.RetryAfter))
	}
	return e
}

// redirection describes a redirect that is not followed. The credential test, which is about no user, names the host: it shows what is wrong with the base URL.
func redirection(op string, answer *http.Response) string {
	location, err := answer.Location()
	if op != OpTest || err != nil || strings.Trim(strings.ToLower(location.Host), "abcdefghijklmnopqrstuvwxyz0123456789.-:[]") != "" || len(location.Host) > 255 {
		return "the app redirects elsewhere; is the base URL right?"
	}
	return "the app redirects to host " + location.Host + "; is the base URL right?"
}

// block keeps requests back until then. Answers of concurrent requests come in any order: the latest moment wins.
func (h *HTTP) block(until time.Time) {
	for {
		before := h.blockedUntil.Load()
		if until.UnixNano() <= before || h.blockedUntil.CompareAndSwap(before, until.UnixNano()) {
			return
		}
	}
}

// BlockedUntil returns the moment before which the app asked for no request, with whatever status; zero where it never did.
func (h *HTTP) BlockedUntil() time.Time {
	if until := h.blockedUntil.Load(); until != 0 {
		return time.Unix(0, until)
	}
	return time.Time{}
}

// secret is the credential as it may stand in a text.
func (h *HTTP) secret() string {
	words := strings.Fields(h.options.Authorization)
	if len(words) == 0 {
		return ""
	}
	return words[len(words)-1]
}

// encodeJSON writes JSON without escaping <, > and &, which some readers do not undo. nil is no body.
func encodeJSON(value any) ([]byte, error) {
	if value == nil {
		return nil, nil
	}
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimRight(buffer.Bytes(), "\n"), nil
}
