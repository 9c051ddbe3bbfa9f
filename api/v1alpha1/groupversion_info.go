// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 has the kinds of the scim-operator.io group, version v1alpha1.
//
// Users and groups (ScimUser, ScimGroup) are written by the SCIM endpoint on behalf of an identity provider (ScimClient);
// apps and role mappings (ScimApp, ScimRoleMapping) are written by people and kept in Git; status is written by the operator.
//
// +kubebuilder:object:generate=true
// +groupName=scim-operator.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API group and version of this package.
var GroupVersion = schema.GroupVersion{Group: "scim-operator.io", Version: "v1alpha1"}

// AddToScheme registers the kinds of this package.
var AddToScheme = schemeBuilder.AddToScheme

var schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&ScimClient{}, &ScimClientList{},
		&ScimUser{}, &ScimUserList{},
		&ScimGroup{}, &ScimGroupList{},
		&ScimGroupSlice{}, &ScimGroupSliceList{},
		&ScimGroupRecord{}, &ScimGroupRecordList{},
		&ScimApp{}, &ScimAppList{},
		&ScimRoleMapping{}, &ScimRoleMappingList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
