// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// ownWords are of an app that explains why it refuses a call. The values before them are those of the user, some of which no attribute mapping sends.
const ownWords = "may not be changed by this client"

var personal = []string{"Janet", "Doe-Smith", "kim@corp.test", "1984-12-31", "31.12.1984", "42", "Blue Dragon", "id-of-kim"}

func refusal(op string) error {
	return &connector.Error{
		Op: op, Kind: connector.Forbidden, Status: 403, Sent: true, AppText: strings.Join(personal, ", ") + " " + ownWords,
	}
}

// wantNobody checks that a text shows no value of the user.
func wantNobody(t *testing.T, where, text string) {
	t.Helper()
	for _, value := range append(personal, "Janet", "Smith", "Dragon", "1984") {
		if strings.Contains(text, value) {
			t.Errorf("%s shows %q: %q", where, value, text)
		}
	}
}

// namedLeaver is a user with values of many kinds, whose deactivation the guard has let pass and the app refuses.
func namedLeaver(t *testing.T) (*world, *v1alpha1.ScimUser) {
	w := newWorld(t, nil)
	w.member("lee")
	user := w.member("kim")
	user.Spec.Name = &v1alpha1.Name{GivenName: "Janet", FamilyName: "Doe-Smith"}
	user.Spec.Extensions = []v1alpha1.Extension{{
		Schema: "urn:example:hr", Attributes: runtime.RawExtension{Raw: []byte(`{"born":"1984-12-31","level":42,"teams":[{"name":"Blue Dragon"}]}`)},
	}}
	w.put(user)
	w.give("lee@corp.test")
	w.announce(user, v1alpha1.ActionDeactivate)
	w.count()
	w.script.Errs[connector.OpSetActive] = []error{refusal(connector.OpSetActive)}
	return w, user
}

func TestTextOfAnAppIsShownOnTheUserConcernedWithoutItsValues(t *testing.T) {
	w, _ := namedLeaver(t)
	got := w.work("kim")
	if got == nil || got.Entry.Reason != v1alpha1.ReasonInsufficientPermissions || !strings.Contains(got.Entry.Message, ownWords) {
		t.Fatalf("the outcome is %+v", got)
	}
	wantNobody(t, "the account status", got.Entry.Message)
	if health := w.worker.Health(); health != (Health{}) {
		t.Errorf("the app has %+v", health)
	}
}

func TestTextOfAnAppIsNotShownOnTheScimApp(t *testing.T) {
	w, user := namedLeaver(t)
	w.script.Always[connector.OpTest] = refusal(connector.OpTest)
	if got := w.work("kim"); got != nil {
		t.Fatalf("the outcome of %s is %+v", user.Name, got)
	}
	health := w.worker.Health()
	if health.Reason != v1alpha1.ReasonInsufficientPermissions || !strings.Contains(health.Message, "403") || strings.Contains(health.Message, ownWords) {
		t.Errorf("the app has %+v", health)
	}
	wantNobody(t, "the ScimApp", health.Message)
}

func TestTextOfAnAppIsNotShownOnAGroup(t *testing.T) {
	w := newWorld(t, pushing)
	group := pt.Group("Sales")
	group.Status.Apps = []v1alpha1.PushedGroupStatus{{App: "crm", State: v1alpha1.GroupCreating}}
	w.cache.Put(group)
	w.script.Always[connector.OpFindGroups] = refusal(connector.OpFindGroups)
	got := w.push(group)
	if got == nil || got.Entry.Reason != v1alpha1.ReasonInsufficientPermissions || strings.Contains(got.Entry.Message, ownWords) {
		t.Fatalf("the outcome is %+v", got)
	}
	wantNobody(t, "the group", got.Entry.Message)
}
