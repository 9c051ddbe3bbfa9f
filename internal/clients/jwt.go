// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// Why a JSON Web Token is refused, for metric and log. Whoever sent it is told nothing of it.
const (
	JWTMalformed   = "jwt_malformed"
	JWTIssuer      = "jwt_issuer"
	JWTAudience    = "jwt_audience"
	JWTExpired     = "jwt_expired"
	JWTNotYetValid = "jwt_not_yet_valid"
	JWTSignature   = "jwt_signature"
	JWTClaims      = "jwt_claims"
)

// clockLeeway is how far the issuer's clock may be off.
const clockLeeway = time.Minute

// algorithms that are accepted. Never "none", nor HS..., for which the issuer's public key would be the secret.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512,
}

// TokenError says why a token is refused.
type TokenError struct {
	// Reason is one of JWT....
	Reason string
}

// Error implements error.
func (e *TokenError) Error() string { return e.Reason }

// JWT checks the JSON Web Tokens of one ScimClient.
type JWT struct {
	issuer    *issuer
	audiences []string
	required  []v1alpha1.RequiredClaim
	// problem, if there is one, keeps anything from being checked.
	problem *Problem
}

// LooksLikeJWT tells whether the token has the form of a JSON Web Token: base64url of a JSON object, and two dots (RFC 7519 3).
func LooksLikeJWT(token string) bool {
	return strings.HasPrefix(token, "eyJ") && strings.Count(token, ".") == 2
}

// Verify checks a token. The error is a *TokenError for one that is refused, an *IssuerError when nothing can be said because the issuer's keys are not to be had,
// or the context's.
func (j *JWT) Verify(ctx context.Context, token string) error {
	if j.problem != nil {
		return &IssuerError{Reason: j.problem.Reason, Message: j.problem.Message, RetryAfter: retryFirst}
	}
	signed, err := jose.ParseSigned(token, algorithms)
	if err != nil || len(signed.Signatures) != 1 {
		return &TokenError{JWTMalformed}
	}
	now := j.issuer.now()
	// What is wrong by its own words costs neither a signature's check nor a fetch of keys.
	if err := j.checkClaims(signed.UnsafePayloadWithoutVerification(), now); err != nil {
		return err
	}
	keys, err := j.issuer.current(ctx)
	if err != nil {
		return err
	}
	if j.signedBy(ctx, token, signed, keys, now) {
		return nil
	}
	// The issuer may have changed its keys since.
	keys, err = j.issuer.newer(ctx)
	if err != nil && !errors.Is(err, errNotNow) {
		return err
	}
	if err == nil && j.signedBy(ctx, token, signed, keys, now) {
		return nil
	}
	return &TokenError{JWTSignature}
}

// signedBy tells whether one of the keys signed the token. A token that names its key is checked with the keys of that name alone.
func (j *JWT) signedBy(ctx context.Context, token string, signed *jose.JSONWebSignature, keys []jose.JSONWebKey, now time.Time) bool {
	header := signed.Signatures[0].Header
	var candidates []crypto.PublicKey
	for _, key := range keys {
		if (header.KeyID == "" || key.KeyID == header.KeyID) && (key.Algorithm == "" || key.Algorithm == header.Algorithm) {
			candidates = append(candidates, key.Key)
		}
	}
	if len(candidates) == 0 {
		return false
	}
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = string(a)
	}
	verifier := oidc.NewVerifier(j.issuer.config.issuer, &oidc.StaticKeySet{PublicKeys: candidates}, &oidc.Config{
		// There may be several audiences; checkClaims has looked.
		SkipClientIDCheck:    true,
		SupportedSigningAlgs: names,
		Now:                  func() time.Time { return now.Add(-clockLeeway) },
	})
	_, err := verifier.Verify(ctx, token)
	return err == nil
}

// checkClaims checks what a token says of itself.
func (j *JWT) checkClaims(payload []byte, now time.Time) error {
	var claims map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(payload)))
	decoder.UseNumber()
	if err := decoder.Decode(&claims); err != nil {
		return &TokenError{JWTMalformed}
	}
	expires, hasExpiry := numericDate(claims["exp"])
	notBefore, hasNotBefore := numericDate(claims["nbf"])
	_, saysNotBefore := claims["nbf"]
	switch {
	case claims["iss"] != j.issuer.config.issuer:
		return &TokenError{JWTIssuer}
	case !slices.ContainsFunc(texts(claims["aud"]), func(a string) bool { return slices.Contains(j.audiences, a) }):
		return &TokenError{JWTAudience}
	case !hasExpiry, saysNotBefore && !hasNotBefore:
		return &TokenError{JWTMalformed}
	case !now.Add(-clockLeeway).Before(expires):
		return &TokenError{JWTExpired}
	case hasNotBefore && now.Add(clockLeeway).Before(notBefore):
		return &TokenError{JWTNotYetValid}
	}
	for _, r := range j.required {
		if !slices.ContainsFunc(texts(claims[r.Name]), func(v string) bool { return slices.Contains(r.Values, v) }) {
			return &TokenError{JWTClaims}
		}
	}
	return nil
}

// maxDate is the end of the year 9999: dates beyond it are not dates.
const maxDate = 253402300799

// numericDate reads a NumericDate (RFC 7519 2): seconds since 1970, with or without fraction.
func numericDate(claim any) (time.Time, bool) {
	number, ok := claim.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	seconds, err := number.Float64()
	if err != nil || seconds < 0 || seconds > maxDate {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// texts are the values of a claim as text: of a list, its elements'.
func texts(claim any) []string {
	switch c := claim.(type) {
	case string:
		return []string{c}
	case json.Number:
		return []string{c.String()}
	case bool:
		return []string{fmt.Sprint(c)}
	case []any:
		var all []string
		for _, element := range c {
			if _, nested := element.([]any); !nested {
				all = append(all, texts(element)...)
			}
		}
		return all
	}
	return nil
}
