// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// AddUser makes a client certificate for a user of the given name and groups and
// returns a configuration that uses it. The user has the rights that RBAC gives
// it: at first, none. The client is not rate limited.
func (e *Env) AddUser(name string, groups ...string) (*rest.Config, error) {
	user, err := e.addUser(name, groups)
	if err != nil {
		return nil, err
	}
	return user.Config(), nil
}

// KubeconfigFor returns a kubeconfig file, with everything in it, for a user as
// AddUser makes it.
func (e *Env) KubeconfigFor(name string, groups ...string) ([]byte, error) {
	user, err := e.addUser(name, groups)
	if err != nil {
		return nil, err
	}
	return user.KubeConfig()
}

func (e *Env) addUser(name string, groups []string) (*envtest.AuthenticatedUser, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.env.AddUser(envtest.User{Name: name, Groups: groups}, &rest.Config{QPS: -1})
}
