// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// findings are what a look at a ScimClient's ways to log in has shown.
type findings struct {
	now time.Time
	// tokens are the problems of spec.tokens.
	tokens []clients.Problem
	// generateToken is the spec, nil without a generated token. generated is what its Secret holds, if it can be read; generatedProblem what is wrong with it.
	generateToken    *v1alpha1.GenerateToken
	generated        *clients.Generated
	generatedProblem *clients.Problem
	// issuer is nil without spec.jwt.
	issuer *clients.IssuerReport
	// again is an error that has the look repeated.
	again error
}

// expired tells whether the generated token has expired, warned whether a person should be told that it will.
func (f *findings) expired() bool { return f.reached((*clients.Generated).Expires) }
func (f *findings) warned() bool  { return f.reached((*clients.Generated).Warns) }

func (f *findings) reached(when func(*clients.Generated, *v1alpha1.GenerateToken) (time.Time, bool)) bool {
	if f.generated == nil || f.generateToken == nil {
		return false
	}
	at, ok := when(f.generated, f.generateToken)
	return ok && !f.now.Before(at)
}

// next is after which time the findings change by themselves; 0 if never.
func (f *findings) next() time.Duration {
	var next time.Duration
	if f.generated != nil && f.generateToken != nil {
		if at, ok := f.generated.Next(f.generateToken, f.now); ok {
			next = at.Sub(f.now)
		}
	}
	if f.issuer != nil && (next == 0 || f.issuer.Next < next) {
		next = f.issuer.Next
	}
	return next
}

// report writes what was found into the status of the ScimClient.
func report(sc *v1alpha1.ScimClient, f *findings) {
	status, reason, message := ready(sc, f)
	kube.SetCondition(sc, v1alpha1.ConditionReady, status, reason, message)
	reportExpiry(sc, f)
	reportIssuer(sc, f.issuer)
	sc.Status.GeneratedToken = generatedStatus(sc, f)
	sc.Status.Path = clients.BasePath(sc.Namespace, sc.Name)
	sc.Status.ObservedGeneration = sc.Generation
}

// reports are the changes of a status that people should hear of.
func reports(before, after *v1alpha1.ScimClient) []kube.Report {
	was, is := before.Status.Conditions, after.Status.Conditions
	return append(kube.ConditionReports(was, is, metav1.ConditionFalse, v1alpha1.ConditionReady, v1alpha1.ConditionIssuerReachable),
		kube.ConditionReports(was, is, metav1.ConditionTrue, v1alpha1.ConditionTokenExpiring)...)
}

// reportExpiry writes the warning that a generated token is to expire, or has.
func reportExpiry(sc *v1alpha1.ScimClient, f *findings) {
	reason, message := v1alpha1.ReasonTokenExpiresSoon, "the generated token expires soon, at the time in status.generatedToken.expirationTime"
	if f.expired() {
		reason, message = v1alpha1.ReasonTokenExpired, "the generated token has expired and is not accepted any more"
	}
	message += ": rotate it with the annotation " + v1alpha1.AnnotationRotateToken + ", and put the new one into the identity provider"
	kube.SetWhile(sc, f.warned(), v1alpha1.ConditionTokenExpiring, reason, message)
}

// reportIssuer writes whether the issuer of JSON Web Tokens gives its keys.
func reportIssuer(sc *v1alpha1.ScimClient, issuer *clients.IssuerReport) {
	switch {
	case issuer == nil:
		kube.RemoveCondition(sc, v1alpha1.ConditionIssuerReachable)
	case issuer.Problem == nil:
		kube.SetCondition(sc, v1alpha1.ConditionIssuerReachable, metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "the issuer gives its keys")
	case issuer.Usable:
		kube.SetCondition(sc, v1alpha1.ConditionIssuerReachable, metav1.ConditionFalse, issuer.Problem.Reason,
			issuer.Problem.Message+"; tokens are checked with the keys that it gave before, for a day at most")
	default:
		kube.SetCondition(sc, v1alpha1.ConditionIssuerReachable, metav1.ConditionFalse, issuer.Problem.Reason,
			issuer.Problem.Message+"; JSON Web Tokens are answered with 503 until it does")
	}
}

// generatedStatus tells about the generated token.
func generatedStatus(sc *v1alpha1.ScimClient, f *findings) *v1alpha1.GeneratedTokenStatus {
	if f.generateToken == nil {
		return nil
	}
	if f.generated == nil {
		// What cannot be read just now is not gone.
		return sc.Status.GeneratedToken
	}
	status := &v1alpha1.GeneratedTokenStatus{SecretName: sc.GeneratedSecretName(), CreatedTime: metav1.NewTime(f.generated.Created).Rfc3339Copy()}
	if at, ok := f.generated.Expires(f.generateToken); ok {
		status.ExpirationTime = timeOf(at)
	}
	if at, ok := f.generated.FormerUntil(f.generateToken); ok {
		status.FormerAcceptedUntil = timeOf(at)
	}
	return status
}

func timeOf(t time.Time) *metav1.Time {
	at := metav1.NewTime(t).Rfc3339Copy()
	return &at
}

// ready decides on the condition Ready. A client with one bad token among good ones can log in, and still is not as its spec wants it.
func ready(sc *v1alpha1.ScimClient, f *findings) (status metav1.ConditionStatus, reason, message string) {
	if sc.Spec.Suspend {
		return metav1.ConditionFalse, v1alpha1.ReasonSuspended, "spec.suspend is set: the endpoint answers 403 to this client"
	}
	problems := f.problems()
	if len(problems) == 0 {
		return metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "the endpoint accepts " + ways(sc) + " of this client"
	}
	var texts []string
	for _, p := range problems {
		texts = append(texts, p.Message)
	}
	message = strings.Join(texts, "; ")
	if len(f.tokens) > 0 {
		usable := len(sc.Spec.Tokens) - len(f.tokens)
		message = fmt.Sprintf("%d of %s can be used: %s", usable, count(len(sc.Spec.Tokens)), message)
	}
	return metav1.ConditionFalse, problems[0].Reason, message
}

// problems are all that keep the ScimClient from being as its spec wants it.
func (f *findings) problems() []clients.Problem {
	problems := append([]clients.Problem{}, f.tokens...)
	if f.generatedProblem != nil {
		problems = append(problems, *f.generatedProblem)
	}
	if f.expired() {
		problems = append(problems, clients.Problem{Reason: v1alpha1.ReasonTokenExpired, Message: "the generated token has expired: rotate it"})
	}
	if f.issuer != nil && f.issuer.Problem != nil && !f.issuer.Usable {
		problems = append(problems, *f.issuer.Problem)
	}
	return problems
}

// ways are the ways to log in, for a message.
func ways(sc *v1alpha1.ScimClient) string {
	var all []string
	if n := len(sc.Spec.Tokens); n > 0 {
		all = append(all, count(n))
	}
	if sc.Spec.GenerateToken != nil {
		all = append(all, fmt.Sprintf("the generated token in the Secret %q", sc.GeneratedSecretName()))
	}
	if sc.Spec.JWT != nil {
		all = append(all, "JSON Web Tokens of "+sc.Spec.JWT.Issuer)
	}
	return strings.Join(all, " and ")
}

func count(tokens int) string {
	if tokens == 1 {
		return "1 token"
	}
	return fmt.Sprintf("%d tokens", tokens)
}

// refersTo tells whether the ScimClient needs the Secret.
func refersTo(sc *v1alpha1.ScimClient, secret string) bool {
	for _, ref := range sc.Spec.Tokens {
		if ref.Name == secret {
			return true
		}
	}
	ca := sc.Spec.JWT != nil && sc.Spec.JWT.CA != nil && sc.Spec.JWT.CA.Name == secret
	return ca || sc.GeneratedSecretName() == secret
}
