// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

func stateOf(name, userName, version string) *v1alpha1.ScimUser {
	u := &v1alpha1.ScimUser{Spec: v1alpha1.ScimUserSpec{ID: "12345678", UserName: userName}}
	u.Name, u.UID, u.ResourceVersion = name, types.UID(name), version
	return u
}

// shownBy are the userNames that a listing of the view shows.
func shownBy(v *view) []string {
	rows, _ := v.window(nil, 0, 100)
	return userNames(rows)
}

func userNames(rows []client.Object) []string {
	var names []string
	for _, row := range rows {
		names = append(names, row.(*v1alpha1.ScimUser).Spec.UserName)
	}
	slices.Sort(names)
	return names
}

func TestAStateFromBeforeItsNameWasTakenIsNotShown(t *testing.T) {
	for _, test := range []struct {
		name string
		// do happens to a replica; another one has renamed "old" from n to m, at version 20.
		do   func(v *view)
		want []string
	}{
		{"the watch shows it later than the own write", func(v *view) {
			v.wrote(stateOf("new", "N@corp.test", "30"))
			v.shown(nil, stateOf("old", "n@corp.test", "10"))
		}, []string{"N@corp.test"}},
		{"this replica has written it", func(v *view) {
			v.wrote(stateOf("old", "k@corp.test", "5"))
			v.wrote(stateOf("new", "n@corp.test", "30"))
			v.shown(nil, stateOf("old", "n@corp.test", "10"))
		}, []string{"k@corp.test", "n@corp.test"}},
		{"the watch has come to the rename", func(v *view) {
			v.wrote(stateOf("new", "n@corp.test", "30"))
			v.shown(nil, stateOf("old", "n@corp.test", "10"))
			v.shown(stateOf("old", "n@corp.test", "10"), stateOf("old", "m@corp.test", "20"))
		}, []string{"m@corp.test", "n@corp.test"}},
		{"the name has changed hands again", func(v *view) {
			v.wrote(stateOf("new", "n@corp.test", "30"))
			v.shown(nil, stateOf("new", "x@corp.test", "40"))
			v.shown(stateOf("old", "m@corp.test", "20"), stateOf("old", "n@corp.test", "50"))
		}, []string{"n@corp.test", "x@corp.test"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newView(clock.RealClock{})
			test.do(v)
			if got := shownBy(v); !slices.Equal(got, test.want) {
				t.Errorf("shown are %v, want %v", got, test.want)
			}
		})
	}
}

func TestAnIndexThatIsBehindShowsNoNameTwice(t *testing.T) {
	v := newView(clock.RealClock{})
	v.wrote(stateOf("new", "n@corp.test", "30"))
	found := []client.Object{stateOf("old", "N@corp.test", "10"), stateOf("other", "o@corp.test", "10")}
	if got, want := userNames(v.recent().over(found)), []string{"n@corp.test", "o@corp.test"}; !slices.Equal(got, want) {
		t.Errorf("shown are %v, want %v", got, want)
	}
}

// Whoever has a name in the listing when an own write takes it is asked about first, also when that state came into the listing only a moment ago.
func TestAnOwnWriteIsShownTogetherWithWhatItsRivalHasBecome(t *testing.T) {
	taken := stateOf("new", "n@corp.test", "30")
	for _, test := range []struct {
		name   string
		listed *v1alpha1.ScimUser
		states []*v1alpha1.ScimUser
		asked  []types.UID
		// outdated are by UID.
		outdated []types.UID
		want     []string
	}{
		{name: "no rival", listed: stateOf("old", "m@corp.test", "20"), states: []*v1alpha1.ScimUser{taken}, want: []string{"m@corp.test", "n@corp.test"}},
		{
			name: "a rival", listed: stateOf("old", "N@corp.test", "10"), states: []*v1alpha1.ScimUser{taken},
			outdated: []types.UID{"old"}, want: []string{"N@corp.test"},
		},
		{
			name: "a rival that was renamed", listed: stateOf("old", "n@corp.test", "10"),
			states: []*v1alpha1.ScimUser{taken, stateOf("old", "m@corp.test", "20")}, asked: []types.UID{"old"},
			want: []string{"m@corp.test", "n@corp.test"},
		},
		{
			name: "a rival that took the name later", listed: stateOf("old", "n@corp.test", "50"), states: []*v1alpha1.ScimUser{taken},
			outdated: []types.UID{"new"}, want: []string{"n@corp.test"},
		},
		{
			name: "a rival that could not be read", listed: stateOf("old", "n@corp.test", "10"), states: []*v1alpha1.ScimUser{taken}, asked: []types.UID{"old"},
			want: []string{"n@corp.test", "n@corp.test"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newView(clock.RealClock{})
			v.shown(nil, test.listed)
			states, asked := map[types.UID]client.Object{}, map[types.UID]bool{}
			for _, u := range test.states {
				states[u.UID] = u
			}
			for _, uid := range test.asked {
				asked[uid] = true
			}
			var outdated []types.UID
			for _, obj := range v.wroteAll(states, asked) {
				outdated = append(outdated, obj.GetUID())
			}
			if !slices.Equal(outdated, test.outdated) {
				t.Errorf("outdated are %v, want %v", outdated, test.outdated)
			}
			if got := shownBy(v); !slices.Equal(got, test.want) {
				t.Errorf("shown are %v, want %v", got, test.want)
			}
		})
	}
}

// A row from before stays until it is known what has become of the user: the API server is asked, or the watch shows it.
func TestAUserWhoseStateIsOverIsAskedAbout(t *testing.T) {
	passing := func() *view {
		v := newView(clock.RealClock{})
		v.shown(nil, stateOf("old", "n@corp.test", "10"))
		v.wrote(stateOf("new", "m@corp.test", "30"))
		v.shown(stateOf("old", "n@corp.test", "10"), stateOf("old", "m@corp.test", "20"))
		return v
	}
	v := passing()
	if got, want := userNames(v.overtaken()), []string{"m@corp.test"}; !slices.Equal(got, want) {
		t.Errorf("asked about are %v, want %v", got, want)
	}
	if got, want := shownBy(v), []string{"m@corp.test", "n@corp.test"}; !slices.Equal(got, want) {
		t.Errorf("shown are %v, want %v", got, want)
	}
	for name, learn := range map[string]func(v *view){
		"the API server says its name": func(v *view) { v.wrote(stateOf("old", "x@corp.test", "25")) },
		"the API server says it is gone": func(v *view) {
			v.removed(stateOf("old", "m@corp.test", "20"))
		},
		"the watch shows its name": func(v *view) { v.shown(nil, stateOf("old", "x@corp.test", "25")) },
		"the watch shows its end":  func(v *view) { v.vanished(stateOf("old", "m@corp.test", "25")) },
	} {
		v := passing()
		learn(v)
		if left := v.overtaken(); len(left) > 0 {
			t.Errorf("%s: still asked about are %v", name, userNames(left))
		}
	}
}
