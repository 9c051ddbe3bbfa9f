// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"strings"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

func TestLockOfAUser(t *testing.T) {
	no, yes := false, true
	lock := map[string]string{v1alpha1.AnnotationLock: ""}
	mark := map[string]string{v1alpha1.AnnotationDeactivatedBy: "okta"}
	for name, tc := range map[string]struct {
		spec        v1alpha1.ScimUserSpec
		annotations map[string]string
		want        v1alpha1.Lock
		active      bool
	}{
		"active":                                {v1alpha1.ScimUserSpec{Client: "okta", Active: &yes}, nil, v1alpha1.LockNone, true},
		"active is absent":                      {v1alpha1.ScimUserSpec{Client: "okta"}, nil, v1alpha1.LockNone, true},
		"annotation without a reason":           {v1alpha1.ScimUserSpec{Client: "okta", Active: &yes}, lock, v1alpha1.LockAnnotation, false},
		"annotation on a user of a person":      {v1alpha1.ScimUserSpec{}, lock, v1alpha1.LockAnnotation, false},
		"annotation on a user kept in Git":      {v1alpha1.ScimUserSpec{ManagedBy: v1alpha1.ManagedByGit}, lock, v1alpha1.LockAnnotation, false},
		"inactive by a person":                  {v1alpha1.ScimUserSpec{Client: "okta", Active: &no}, nil, v1alpha1.LockActive, false},
		"inactive by the provider":              {v1alpha1.ScimUserSpec{Client: "okta", Active: &no}, mark, v1alpha1.LockNone, false},
		"inactive in Git":                       {v1alpha1.ScimUserSpec{Client: "okta", ManagedBy: v1alpha1.ManagedByGit, Active: &no}, nil, v1alpha1.LockNone, false},
		"inactive, and made by a person":        {v1alpha1.ScimUserSpec{Active: &no}, nil, v1alpha1.LockNone, false},
		"active, with the mark of former times": {v1alpha1.ScimUserSpec{Client: "okta", Active: &yes}, mark, v1alpha1.LockNone, true},
	} {
		t.Run(name, func(t *testing.T) {
			user := &v1alpha1.ScimUser{Spec: tc.spec}
			user.Annotations = tc.annotations
			if user.Lock() != tc.want || user.IsActive() != tc.active {
				t.Errorf("lock %q, active %t; want %q, %t", user.Lock(), user.IsActive(), tc.want, tc.active)
			}
		})
	}
}

func TestSuspendedApp(t *testing.T) {
	long := strings.Repeat("ä", 200)
	for name, tc := range map[string]struct {
		spec        bool
		annotations map[string]string
		suspended   bool
		why         string
	}{
		"not suspended":  {false, nil, false, ""},
		"spec":           {true, nil, true, "spec.suspend is true"},
		"annotation":     {false, map[string]string{v1alpha1.AnnotationSuspend: "restore"}, true, `annotation scim-operator.io/suspend: "restore"`},
		"empty reason":   {false, map[string]string{v1alpha1.AnnotationSuspend: ""}, true, `annotation scim-operator.io/suspend: ""`},
		"a long reason":  {false, map[string]string{v1alpha1.AnnotationSuspend: long}, true, `annotation scim-operator.io/suspend: "` + strings.Repeat("ä", 64) + `..."`},
		"by the flag":    {false, map[string]string{v1alpha1.AnnotationSuspendedByFlag: ""}, true, "the operator runs with --suspend-apps"},
		"flag and other": {true, map[string]string{v1alpha1.AnnotationSuspendedByFlag: "", v1alpha1.AnnotationSuspend: "x"}, true, "the operator runs with --suspend-apps"},
	} {
		t.Run(name, func(t *testing.T) {
			app := &v1alpha1.ScimApp{Spec: v1alpha1.ScimAppSpec{Suspend: tc.spec}}
			app.Annotations = tc.annotations
			why, suspended := app.Suspended()
			if suspended != tc.suspended || (suspended && why != tc.why) {
				t.Errorf("suspended %t because of %q; want %t because of %q", suspended, why, tc.suspended, tc.why)
			}
		})
	}
}
