// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import "testing"

func TestVersionOfReadsWhatTheAPIServerSends(t *testing.T) {
	for name, object := range map[string]string{
		"plain":             `{"apiVersion":"v1","kind":"X","metadata":{"name":"n","resourceVersion":"17","uid":"u-1"},"spec":{}}`,
		"decoys before":     `{"a":{"resourceVersion":"1","uid":"no"},"b":["}",{"x":"\\\"{"}],"metadata":{"annotations":{"resourceVersion":"2","uid":"no"},"generation":1,"resourceVersion":"17","uid":"u-1"}}`,
		"decoys in strings": `{"k":"\"metadata\":{\"resourceVersion\":\"3\"}","metadata":{"labels":{"l":"\"uid\":\"no\""},"resourceVersion":"17","uid":"u-1"}}`,
		"other kinds":       `{"n":1.5e3,"t":true,"z":null,"metadata":{"deletionGracePeriodSeconds":0,"resourceVersion":"17","uid":"u-1"}}` + "\n",
	} {
		if uid, version := versionOf([]byte(object)); uid != "u-1" || version != "17" {
			t.Errorf("%s: %q %q", name, uid, version)
		}
	}
}

func TestVersionOfGivesNothingForOtherText(t *testing.T) {
	for _, text := range []string{
		"", "{", "{}", "[]", "null", `"metadata"`, `{"metadata"`, `{"metadata":`, `{"metadata":{`, `{"metadata":{"uid":"u`, `{"metadata":"x"}`,
		`{"metadata":{"resourceVersion":17,"uid":"u-1"}}`, `{"metadata":{"uid":"u-1"}}`, `{"metadata":{"resourceVersion":"1\u0037"}}`,
	} {
		if _, version := versionOf([]byte(text)); version != "" {
			t.Errorf("%s: %q", text, version)
		}
	}
}

func TestVersionOfEndsWithTheText(t *testing.T) {
	whole := `{"a":[{"b":"\\\"}"},1.5,null],"metadata":{"annotations":{"uid":"x"},"resourceVersion":"17","uid":"u-1"},"spec":{"c":{"resourceVersion":"18"}}}`
	if uid, version := versionOf([]byte(whole)); uid != "u-1" || version != "17" {
		t.Fatalf("%q %q", uid, version)
	}
	for i := range whole {
		if _, version := versionOf([]byte(whole[:i])); version != "" && version != "17" {
			t.Errorf("%s: %q", whole[:i], version)
		}
		// A byte that is wrong makes no other member the one that is looked for.
		if _, version := versionOf([]byte(whole[:i] + "}" + whole[i+1:])); version == "18" {
			t.Errorf("with a brace at %d: %q", i, version)
		}
	}
}
