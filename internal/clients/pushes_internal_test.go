// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// pushed is a record of pushes, one a second: a for an accepted one, r for a refused one.
func pushed(start time.Time, pattern string) *record {
	r := &record{}
	for i, p := range pattern {
		at := start.Add(time.Duration(i) * time.Second)
		r.last = at
		next := push{at: at}
		if p == 'r' {
			next.refusal = Refusal{Status: 400, Type: "invalidValue", Field: "emails.value"}
		}
		r.add(next)
	}
	return r
}

func TestPushesAcceptedTurnsWithRepeatedRefusalsAndWithGoodPushes(t *testing.T) {
	start := time.Now().Add(-time.Hour)
	turned := func(status metav1.ConditionStatus, at time.Time) *metav1.Condition {
		return &metav1.Condition{Type: v1alpha1.ConditionPushesAccepted, Status: status, Reason: "Before", LastTransitionTime: metav1.NewTime(at)}
	}
	for name, tc := range map[string]struct {
		before  *metav1.Condition
		pattern string
		want    metav1.ConditionStatus
	}{
		"nothing pushed":                               {nil, "", ""},
		"the first one is accepted":                    {nil, "a", metav1.ConditionTrue},
		"the first one is refused":                     {nil, "r", ""},
		"a few refusals among good ones":               {nil, "arararara", metav1.ConditionTrue},
		"repeated refusals":                            {nil, "rrrrr", metav1.ConditionFalse},
		"repeated refusals among good ones":            {nil, "arararararaaa", metav1.ConditionFalse},
		"refusals of long ago":                         {nil, "rrrrr" + strings.Repeat("a", 20), metav1.ConditionTrue},
		"refused before the condition turned True":     {turned(metav1.ConditionTrue, start.Add(10*time.Second)), "rrrrrrrrrraar", metav1.ConditionTrue},
		"refused since the condition turned True":      {turned(metav1.ConditionTrue, start.Add(2*time.Second)), "aarrrrr", metav1.ConditionFalse},
		"four good ones do not end it":                 {turned(metav1.ConditionFalse, start), "rrrrraaaa", metav1.ConditionFalse},
		"five good ones end it":                        {turned(metav1.ConditionFalse, start), "rrrrraaaaa", metav1.ConditionTrue},
		"good ones before it turned False do not":      {turned(metav1.ConditionFalse, start.Add(10*time.Second)), "aaaaaaaaaaaaa", metav1.ConditionFalse},
		"a replica that has seen nothing leaves it so": {turned(metav1.ConditionFalse, start), "", metav1.ConditionFalse},
	} {
		t.Run(name, func(t *testing.T) {
			if got := pushed(start, tc.pattern).accepted(tc.before); got != tc.want {
				t.Errorf("status %q, want %q", got, tc.want)
			}
		})
	}
}

func TestActivityIsWrittenOnceInFiveMinutesWhicheverReplicaServes(t *testing.T) {
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	sc := &v1alpha1.ScimClient{}
	first, second := pushed(start, "a"), pushed(start.Add(time.Second), "a")
	if !first.report(sc, start) || !sc.Status.LastRequestTime.Time.Equal(start) {
		t.Fatalf("the first request is not written: %+v", sc.Status)
	}
	for name, r := range map[string]*record{"same": first, "another replica": second, "four minutes later": {last: start.Add(4 * time.Minute)}} {
		if r.report(sc, start.Add(4*time.Minute)) {
			t.Errorf("%s: it is written again", name)
		}
	}
	later := start.Add(5 * time.Minute)
	if r := (&record{last: later}); !r.report(sc, later) || !sc.Status.LastRequestTime.Time.Equal(later) {
		t.Errorf("a request 5 minutes later is not written: %+v", sc.Status)
	}
	if first.report(sc, later) || !sc.Status.LastRequestTime.Time.Equal(later) {
		t.Error("a replica with older requests has written")
	}
}

func TestRefusalsAreCountedByKindAndTheLastOneNamed(t *testing.T) {
	start := time.Now().Add(-time.Hour)
	r := pushed(start, "arrrr")
	r.add(push{at: start.Add(time.Minute), refusal: Refusal{Status: 409, Type: "uniqueness", Field: "userName"}})
	sc := &v1alpha1.ScimClient{}
	if !r.report(sc, start.Add(2*time.Minute)) {
		t.Fatal("nothing to say")
	}
	condition := meta.FindStatusCondition(sc.Status.Conditions, v1alpha1.ConditionPushesAccepted)
	const want = "5 of the last 6 changes that the client pushed were refused (400 invalidValue: 4, 409 uniqueness: 1); the last one 1m0s ago: 409 uniqueness, attribute userName."
	if condition == nil || condition.Status != metav1.ConditionFalse || condition.Reason != v1alpha1.ReasonPushesRefused || !strings.HasPrefix(condition.Message, want) {
		t.Errorf("the condition is %+v", condition)
	}
}
