// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

func TestWhatLeavesTheStatusNoRoomIsRefused(t *testing.T) {
	of := func(value string, n int) []v1alpha1.Extension {
		return []v1alpha1.Extension{{Schema: "urn:example:1", Attributes: runtime.RawExtension{Raw: []byte(fmt.Sprintf("{%q:%q}", "x", strings.Repeat(value, n)))}}}
	}
	members := make([]v1alpha1.GroupMember, 250)
	for i := range members {
		members[i].Value = strings.Repeat("x", 320)
	}
	for name, tc := range map[string]struct {
		object  client.Object
		refused bool
	}{
		"a user that fits":                   {&v1alpha1.ScimUser{Spec: v1alpha1.ScimUserSpec{Extensions: of("x", MaxUserSpec-100)}}, false},
		"a user that does not":               {&v1alpha1.ScimUser{Spec: v1alpha1.ScimUserSpec{Extensions: of("x", MaxUserSpec)}}, true},
		"a user of few characters":           {&v1alpha1.ScimUser{Spec: v1alpha1.ScimUserSpec{Extensions: of("😀", MaxUserSpec/4)}}, true},
		"a group that fits, with members":    {&v1alpha1.ScimGroup{Spec: v1alpha1.ScimGroupSpec{Extensions: of("x", MaxGroupSpec-200), Members: members}}, false},
		"a group that does not":              {&v1alpha1.ScimGroup{Spec: v1alpha1.ScimGroupSpec{Extensions: of("x", MaxGroupSpec)}}, true},
		"a text that JSON escapes, in bytes": {&v1alpha1.ScimUser{Spec: v1alpha1.ScimUserSpec{UserName: strings.Repeat("<", MaxUserSpec/6)}}, true},
	} {
		err := checkSize(tc.object)
		var refused *scim.Error
		if got := errors.As(err, &refused) && refused.Status == http.StatusRequestEntityTooLarge; got != tc.refused || (err != nil) != tc.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}
