// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/operator"
)

// bare is the baseline: client-go and nothing else.
type bare struct {
	rest      *rest.RESTClient
	namespace string
	// template is a user as the endpoint stored it, without what the API server adds.
	template *v1alpha1.ScimUser
}

// newBare makes the baseline for a namespace, with at most so many connections. sample is a user that the endpoint has stored.
func newBare(config *rest.Config, namespace string, sample *v1alpha1.ScimUser, connections int) (*bare, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	// managedFields name the program: they shall be of the same length, too.
	config.UserAgent = "manager"
	config.APIPath, config.GroupVersion = "/apis", &v1alpha1.GroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(operator.Scheme()).WithoutConversion()
	tlsConfig, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	transport, err := rest.HTTPWrappersForConfig(config, &http.Transport{
		TLSClientConfig: tlsConfig, MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections,
	})
	if err != nil {
		return nil, err
	}
	c, err := rest.RESTClientForConfigAndClient(config, &http.Client{Transport: transport})
	return &bare{rest: c, namespace: namespace, template: templateOf(sample)}, err
}

// templateOf takes out of a stored user what the API server added.
func templateOf(stored *v1alpha1.ScimUser) *v1alpha1.ScimUser {
	t := stored.DeepCopy()
	t.ObjectMeta = metav1.ObjectMeta{Annotations: stored.Annotations, Labels: stored.Labels, Finalizers: stored.Finalizers}
	t.Status = v1alpha1.ScimUserStatus{}
	return t
}

// object is the person as the endpoint would store it.
func (b *bare) object(p person) *v1alpha1.ScimUser {
	u := b.template.DeepCopy()
	u.Namespace, u.Name = b.namespace, "u-"+randomText(16)
	u.Spec.ID = randomText(8)
	u.Spec.UserName = p.userName
	u.Spec.Emails[0].Value = p.userName
	u.Spec.ExternalIDs[0].ID = p.externalID
	u.Spec.Enterprise.EmployeeNumber = p.employee
	return u
}

// in is the same client for another namespace.
func (b *bare) in(namespace string) *bare {
	other := *b
	other.namespace = namespace
	return &other
}

// load creates users as the endpoint would have, and gives their SCIM ids.
func (b *bare) load(ctx context.Context, persons []person, workers int, progress func(done int)) ([]string, error) {
	ids := make([]string, len(persons))
	var done atomic.Int64
	err := concurrently(ctx, len(persons), workers, func(ctx context.Context, i int) error {
		u := b.object(persons[i])
		u.Name = directory.NameHolder(u)
		created, err := b.create(ctx, u)
		if err != nil {
			return err
		}
		ids[i] = created.SCIMID()
		progress(int(done.Add(1)))
		return nil
	})
	return ids, err
}

func (b *bare) create(ctx context.Context, u *v1alpha1.ScimUser) (*v1alpha1.ScimUser, error) {
	created := &v1alpha1.ScimUser{}
	err := b.rest.Post().Namespace(b.namespace).Resource("scimusers").Body(u).Do(ctx).Into(created)
	if err != nil {
		return nil, err
	}
	return created, check(created, u.Spec.UserName)
}

func (b *bare) get(ctx context.Context, name, userName string) error {
	read := &v1alpha1.ScimUser{}
	if err := b.rest.Get().Namespace(b.namespace).Resource("scimusers").Name(name).Do(ctx).Into(read); err != nil {
		return err
	}
	return check(read, userName)
}

// absent reads a user that must not be there.
func (b *bare) absent(ctx context.Context, name string) error {
	err := b.rest.Get().Namespace(b.namespace).Resource("scimusers").Name(name).Do(ctx).Into(&v1alpha1.ScimUser{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err == nil:
		return fmt.Errorf("%s exists", name)
	}
	return err
}

func check(u *v1alpha1.ScimUser, userName string) error {
	if u.Spec.UserName != userName || u.UID == "" {
		return fmt.Errorf("%s/%s is not the user %s", u.Namespace, u.Name, userName)
	}
	return nil
}

// raw reads a user as the API server sends it.
func (b *bare) raw(ctx context.Context, namespace, name string) ([]byte, error) {
	return b.rest.Get().Namespace(namespace).Resource("scimusers").Name(name).DoRaw(ctx)
}

// errOtherBytes says that the comparison would not be fair.
var errOtherBytes = errors.New("the bare client's objects are not those of the endpoint")

// sameBytes compares two users as the API server sends them, but for what is each user's own: that must have the same length only.
func sameBytes(a, b []byte) error {
	x, y := masked(a), masked(b)
	if x != y {
		return fmt.Errorf("%w:\n%s\n%s", errOtherBytes, x, y)
	}
	return nil
}

// own are the values that each user has for itself: names, ids, numbers, and times of the API server.
var own = regexp.MustCompile(`kim\.meyer\.\d{8}|00u\d{17}|"employeeNumber":"\d{8}"|u-[a-z2-7]{26}|"id":"[a-z2-7]{13}"|"uid":"[0-9a-f-]{36}"|` +
	`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z|"namespace":"[^"]*"|request\\":\\"[^"\\]*`)

// version is the one value whose length the clients do not decide.
var version = regexp.MustCompile(`"resourceVersion":"\d+"`)

// masked is the object with the length alone of each value that is its own.
func masked(raw []byte) string {
	text := version.ReplaceAllString(string(raw), "")
	return own.ReplaceAllStringFunc(text, func(value string) string { return fmt.Sprintf("#%d#", len(value)) })
}

// nameOf is the object of a SCIM id.
func nameOf(id string) string {
	name, _, _ := v1alpha1.SplitSCIMID(id)
	return name
}
