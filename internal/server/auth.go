// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// bareToken is the tolerance for a token without the scheme "Bearer", as Okta sends it when its "API token" is configured that way. It is no matter of RFC 7644,
// so every dialect has it.
const bareToken scim.Tolerance = "BareToken"

// Reasons of failed log-ins, for metric and log.
const (
	failedNoToken       = "no_token"
	failedUnknownClient = "unknown_client"
	failedWrongToken    = "wrong_token"
	failedNoUsableToken = "no_usable_token"
	failedSuspended     = "suspended"
	failedExpiredToken  = "expired_token"
)

// kubernetesName is what a namespace or ScimClient can be called. Nothing else is looked up or logged.
var kubernetesName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

// noTokens stands in for the tokens of a client that does not exist, so that the answer takes the same way.
var noTokens = [][32]byte{{}}

// authenticate finds out who sends the request. An unknown namespace or client is answered exactly as a wrong token, so that nobody can find out which exist;
// the log tells them apart.
func (h *handler) authenticate(e *exchange) error {
	token, bare := tokenOf(e.request)
	config, err := h.client(e.context(), e.target)
	unknown := errors.Is(err, clients.ErrUnknown)
	if err != nil && !unknown {
		return &unavailable{cause: err}
	}
	e.clientExists = !unknown
	if token == "" {
		return h.refuse(e, failedNoToken, "the request has no token: send the header \"Authorization: Bearer <token>\"")
	}
	reason, err := logIn(e.context(), token, config, unknown)
	switch {
	case err != nil:
		return err
	case reason != "":
		return h.refuse(e, reason, wrongToken)
	case config.Suspended:
		h.failed(e, failedSuspended)
		return scim.NewError(http.StatusForbidden, "the ScimClient %s/%s is suspended (spec.suspend)", e.target.namespace, e.target.client)
	}
	e.identity = Identity{Namespace: e.target.namespace, Client: e.target.client, Config: config}
	if err := h.withinRate(e.identity); err != nil {
		return err
	}
	if bare {
		h.metrics.tolerated(e.identity)(bareToken)
	}
	return nil
}

// withinRate refuses what is more than the client may ask in this time: a request, or an operation of a bulk request.
func (h *handler) withinRate(id Identity) error {
	if wait := h.limiters.take(id.label(), id.Config.RateLimit, h.now()); wait > 0 {
		return &slowDown{seconds: wait, why: "more requests than spec.rateLimit of the ScimClient allows: "}
	}
	return nil
}

// logIn tells why the token is refused, or nothing for one of the client. The error is for what cannot be decided just now.
func logIn(ctx context.Context, token string, config clients.Config, unknown bool) (refused string, err error) {
	known := config.TokenHashes
	if unknown {
		known = noTokens
	}
	switch matches := holds(known, token); {
	case unknown:
		return failedUnknownClient, nil
	case matches:
		return "", nil
	case config.JWT != nil && clients.LooksLikeJWT(token):
		return checkJWT(ctx, config.JWT, token)
	case holds(config.ExpiredHashes, token):
		return failedExpiredToken, nil
	case len(known) == 0 && config.JWT == nil:
		return failedNoUsableToken, nil
	}
	return failedWrongToken, nil
}

// checkJWT is logIn for a JSON Web Token. While the issuer's keys cannot be had, the answer is 503: the identity provider is to come back, not to give up.
func checkJWT(ctx context.Context, jwt *clients.JWT, token string) (refused string, err error) {
	err = jwt.Verify(ctx, token)
	var bad *clients.TokenError
	var away *clients.IssuerError
	switch {
	case err == nil:
		return "", nil
	case errors.As(err, &bad):
		return bad.Reason, nil
	case errors.As(err, &away):
		return "", &unavailable{cause: err, retryAfter: wholeSeconds(away.RetryAfter)}
	}
	return "", &unavailable{cause: err}
}

const wrongToken = "the token is not one of this client: check the base URL and the token; the status of the ScimClient says which of its tokens can be used"

func (h *handler) client(ctx context.Context, t target) (clients.Config, error) {
	if !kubernetesName.MatchString(t.namespace) || !kubernetesName.MatchString(t.client) {
		return clients.Config{}, clients.ErrUnknown
	}
	return h.clients.Client(ctx, t.namespace, t.client)
}

// refuse notes a failed log-in and gives the error that answers it.
func (h *handler) refuse(e *exchange, reason, detail string) error {
	h.failed(e, reason)
	if wait := h.throttle.fail(e.request.RemoteAddr, h.now()); wait > 0 {
		return &slowDown{seconds: wait, why: "too many requests with a wrong token or none: ", then: ", then send a token of this client"}
	}
	return scim.NewError(http.StatusUnauthorized, "%s", detail)
}

func (h *handler) failed(e *exchange, reason string) {
	e.loginFailure = reason
	h.metrics.authFailures.WithLabelValues(reason).Inc()
}

// tokenOf is the token of the Authorization header; bare if it stands without the scheme Bearer. It is empty for other schemes.
func tokenOf(r *http.Request) (token string, bare bool) {
	value := strings.TrimSpace(r.Header.Get("Authorization"))
	scheme, rest, found := strings.Cut(value, " ")
	if !found {
		return value, true
	}
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(rest), false
	}
	return "", false
}

// holds tells whether the token is one of those with the hashes, in a time that does not depend on which, or how much of it is right.
func holds(hashes [][32]byte, token string) bool {
	presented := clients.HashToken(token)
	found := 0
	for i := range hashes {
		found |= subtle.ConstantTimeCompare(hashes[i][:], presented[:])
	}
	return found == 1
}

// slowDown is the answer to a source that fails, or a client that asks, too often.
type slowDown struct {
	seconds int
	// why and then stand before and after the time to wait.
	why, then string
}

func (e *slowDown) Error() string {
	return e.why + "wait " + strconv.Itoa(e.seconds) + " s"
}
