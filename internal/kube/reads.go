// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// FastReads gives a client that does what live does, and gets and creates ScimUsers with less work: each Get asks the API server still, but its answer is decoded only
// where it is not the very version that the cache holds, and answers are decoded without finding out first what kind they are. docs/decisions/0013-fast-reads.md has the figures.
//
// A ScimUser lacks managedFields. An update without them leaves them as they are.
//
// synced is whether the cache is filled: until then, it would make reads wait.
func FastReads(live client.Client, cache client.Reader, synced func() bool, config *rest.Config) (client.Client, error) {
	config = rest.CopyConfig(config)
	if config.UserAgent == "" {
		// It names the owner of the fields that are written.
		config.UserAgent = rest.DefaultKubernetesUserAgent()
	}
	config.APIPath, config.GroupVersion = "/apis", &v1alpha1.GroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(live.Scheme()).WithoutConversion()
	httpClient, err := pooled(config)
	if err != nil {
		return nil, err
	}
	direct, err := rest.RESTClientForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, err
	}
	return &fastReads{Client: live, cache: cache, synced: synced, direct: direct}, nil
}

type fastReads struct {
	client.Client
	cache  client.Reader
	synced func() bool
	direct rest.Interface
}

// Get implements client.Reader.
func (f *fastReads) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	user, ok := obj.(*v1alpha1.ScimUser)
	if !ok || len(opts) > 0 {
		return f.Client.Get(ctx, key, obj, opts...)
	}
	result := f.direct.Get().Namespace(key.Namespace).Resource("scimusers").Name(key.Name).Do(ctx)
	var status int
	if result.StatusCode(&status); status == http.StatusNotFound {
		// Decoding the API server's explanation is an eighth of all the work that a look-up of a new user is.
		return apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("scimusers").GroupResource(), key.Name)
	}
	raw, err := answer(result)
	if err != nil {
		return err
	}
	if f.cached(ctx, key, raw, user) {
		// Caches fill these, typed clients leave them empty.
		user.TypeMeta = metav1.TypeMeta{}
		return nil
	}
	return decode(raw, user)
}

// Create implements client.Writer.
func (f *fastReads) Create(ctx context.Context, obj client.Object, opts ...client.CreateOption) error {
	user, ok := obj.(*v1alpha1.ScimUser)
	if !ok || len(opts) > 0 {
		return f.Client.Create(ctx, obj, opts...)
	}
	raw, err := answer(f.direct.Post().Namespace(user.Namespace).Resource("scimusers").Body(user).Do(ctx))
	if err != nil {
		return err
	}
	return decode(raw, user)
}

// answer is what the API server sent. Its errors are those that it explains, which Raw alone does not read.
func answer(result rest.Result) ([]byte, error) {
	if err := result.Error(); err != nil {
		return nil, err
	}
	return result.Raw()
}

// decode reads a user into an empty one. managedFields stay out, as in what comes from the cache.
func decode(raw []byte, user *v1alpha1.ScimUser) error {
	*user = v1alpha1.ScimUser{}
	err := json.Unmarshal(withoutManagedFields(raw, "metadata"), user)
	// Typed clients leave these empty.
	user.TypeMeta = metav1.TypeMeta{}
	return err
}

// cached gives the cache's copy of the user if it is the version that the API server has sent.
func (f *fastReads) cached(ctx context.Context, key client.ObjectKey, raw []byte, user *v1alpha1.ScimUser) bool {
	uid, version := versionOf(raw)
	return version != "" && f.synced() && f.cache.Get(ctx, key, user) == nil && user.UID == uid && user.ResourceVersion == version
}

// versionOf finds the UID and the resourceVersion of an object in its JSON. They are empty where the JSON is not as the API server sends it.
func versionOf(object []byte) (types.UID, string) {
	metadata := member(object, "metadata")
	return types.UID(plain(member(metadata, "uid"))), plain(member(metadata, "resourceVersion"))
}

// plain is a JSON string without its quotes, empty for one with escapes.
func plain(text []byte) string {
	if len(text) < 2 || text[0] != '"' || bytes.IndexByte(text, '\\') >= 0 {
		return ""
	}
	return string(text[1 : len(text)-1])
}

// member is the value of a member of a JSON object, nil where there is none.
func member(object []byte, name string) []byte {
	f, ok := find(object, name)
	if !ok {
		return nil
	}
	return object[f.value:f.end]
}

// found is where a member stands in a JSON object: its name, its value, and the end of that.
type found struct{ name, value, end int }

// find finds a member of a JSON object without decoding the others. The JSON is taken to be well-formed and without space between its tokens, as the API server sends it.
func find(object []byte, name string) (found, bool) {
	for i := 1; i < len(object) && object[i] == '"'; {
		colon := end(object, i)
		last := end(object, colon+1)
		if last > len(object) {
			break
		}
		if string(object[i+1:colon-1]) == name {
			return found{i, colon + 1, last}, true
		}
		i = last + 1
	}
	return found{}, false
}

// end is where the JSON value ends that begins at i. It is past the end of the JSON where the value has none.
func end(b []byte, i int) int {
	none := len(b) + 1
	if i >= len(b) {
		return none
	}
	switch b[i] {
	case '"':
		return endOfString(b, i)
	case '{', '[':
	default:
		if n := bytes.IndexAny(b[i:], ",]}"); n >= 0 {
			return i + n
		}
		return none
	}
	for depth := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = endOfString(b, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return none
}

// endOfString is where the JSON string ends that begins at i.
func endOfString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b) + 1
}
