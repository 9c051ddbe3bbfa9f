// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/internal/egress"
	"github.com/scim-operator/scim-operator/test/harness"
)

// password is what no request may leave behind. wrongToken is one of nobody.
const (
	password   = "tr0ub4dor-and-3"
	wrongToken = "no-bodys-token-0123456789"
)

// person is part of the userName, the e-mail address and the names of every user of the test.
const person = "zaphodbeeble"

// What a request carries is stored as far as it is meant to be, and nowhere else: not in the log, an event, a condition, a metric, an error.
func TestNothingPrivateIsLeftBehind(t *testing.T) {
	env := startPair(t, func(r *replica) { r.options.AllowedAddresses = egress.Loopback() })
	d := env.newDirectory(t)
	d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "crm", "crm", v1alpha1.Subjects{Groups: []string{"Sales"}})
	d.AwaitReady(t, "crm")
	id := d.want(t, http.StatusCreated, 0, idps[0], "POST", "/Users", privateUser("first", "")).id()
	group := d.want(t, http.StatusCreated, 1, idps[0], "POST", "/Groups",
		fmt.Sprintf(`{"schemas":[%q],"displayName":"Sales","members":[{"value":%q,"display":"%s"}]}`, groupSchema, id, person)).id()
	d.AwaitAccount(t, id, "crm", v1alpha1.AccountActive)
	byHand(t, d)

	for i, q := range privateRequests(id, group) {
		for n, c := range []idp{idps[0], idps[2], {name: "okta", token: wrongToken}} {
			a, err := d.send(t.Context(), (i+n)%2, c, q)
			if err != nil {
				t.Fatalf("%s %s: %v", q.method, q.path, err)
			}
			told := fmt.Sprint(a.raw, a.header)
			if strings.Contains(told, password) || strings.Contains(told, c.token) {
				t.Errorf("%s %s %s: the answer tells a secret: %d %s", q.method, q.path, excerptOf(q.body), a.status, excerptOf(told))
			}
		}
	}
	// It would come to the name, and the object would have to stay.
	d.Delete(t, &v1alpha1.ScimUser{ObjectMeta: d.Meta("twin")})
	d.want(t, http.StatusNoContent, 1, idps[2], "DELETE", "/Users/"+id, "")
	harness.Eventually(t, "the user is deprovisioned", func() error {
		if _, err := d.GetUser(t.Context(), id); !apierrors.IsNotFound(err) {
			return fmt.Errorf("not gone: %w", err)
		}
		return nil
	})
	wroteNothingPrivate(t, d)
}

func excerptOf(s string) string { return s[:min(len(s), 300)] }

// byHand makes objects that get conditions and events: a conflict of names, a user without what an app needs.
func byHand(t *testing.T, d *directory) {
	t.Helper()
	d.Create(t, &v1alpha1.ScimUser{ObjectMeta: d.Meta("twin"), Spec: v1alpha1.ScimUserSpec{UserName: "FIRST-" + person + "@corp.test"}})
	harness.Eventually(t, "the twin is refused", func() error {
		u := &v1alpha1.ScimUser{}
		if err := d.Admin.Get(t.Context(), d.Key("twin"), u); err != nil {
			return err
		}
		if len(u.Status.Conditions) == 0 {
			return errors.New("no condition")
		}
		return nil
	})
}

func privateUser(name, more string) string {
	address := name + "-" + person + "@corp.test"
	return fmt.Sprintf(`{"schemas":[%q],"userName":%q,"displayName":%q,"name":{"givenName":%q,"familyName":%q},"emails":[{"value":%q,"primary":true}],"password":%q%s}`,
		userSchema, address, person, person, person, address, password, more)
}

// privateRequests have the password wherever somebody may put it.
func privateRequests(id, group string) []request {
	user := "/Users/" + id
	pw := text(password)
	var all []request
	add := func(method, path, body string, header ...string) {
		q := request{method: method, path: path, body: body, header: map[string]string{}}
		for i := 0; i+1 < len(header); i += 2 {
			q.header[header[i]] = header[i+1]
		}
		all = append(all, q)
	}
	for i, more := range []string{
		"", `,"PassWord":` + pw, `,"urn:ietf:params:scim:schemas:core:2.0:User:password":` + pw, `,"urn:ietf:params:scim:schemas:core:2.0:User":{"password":` + pw + `}`,
		`,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"password":` + pw + `,"department":"d"}`,
		`,"active":"not a boolean"`, `,"userName":7`, `,"password":{"value":` + pw + `}`, `,"password":[` + pw + `]`,
	} {
		add("POST", "/Users", privateUser(fmt.Sprintf("n%d", i), more))
		add("PUT", user, privateUser("first", more))
	}
	for _, operation := range []string{
		`{"op":"replace","path":"password","value":` + pw + `}`, `{"op":"add","path":"Password","value":` + pw + `}`,
		`{"op":"replace","value":{"password":` + pw + `}}`, `{"op":"add","value":{"PASSWORD":` + pw + `,"title":"a"}}`,
		`{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User:password","value":` + pw + `}`,
		`{"op":"replace","value":{"urn:ietf:params:scim:schemas:core:2.0:User:password":` + pw + `}}`,
		`{"op":"replace","value":{"urn:ietf:params:scim:schemas:core:2.0:User":{"password":` + pw + `}}}`,
		`{"op":"replace","value":{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"password":` + pw + `}}}`,
		`{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:password","value":` + pw + `}`,
		`{"op":"remove","path":"password"}`, `{"op":"replace","path":"password[value eq \"` + password + `\"]","value":"x"}`,
		`{"op":"replace","path":"emails[value eq \"` + password + `\"].value","value":"x"}`, `{"op":` + pw + `,"path":"password"}`,
		`{"op":"replace","path":"name.password","value":` + pw + `}`, `{"op":"replace","path":"password","value":` + pw,
	} {
		add("PATCH", user, patchBody(operation))
		add("PATCH", "/Groups/"+group, patchBody(operation))
		add("POST", "/Bulk", bulkBody("PATCH", user, patchBody(operation)))
	}
	add("PATCH", user, patchBody(`{"op":"replace","path":"active","value":`+pw+`}`))
	add("POST", "/Bulk", bulkBody("POST", "/Users", privateUser("bulk", "")))
	add("POST", "/Bulk", bulkBody("PUT", user, privateUser("first", `,"password":`+pw)))
	add("POST", "/Bulk", bulkBody("POST", "/Users?password="+password, privateUser("first", "")))
	add("POST", "/Groups", fmt.Sprintf(`{"schemas":[%q],"displayName":"Secretive","password":%s,"members":[{"value":%q,"password":%s}]}`, groupSchema, pw, id, pw))
	for _, body := range []string{`{"password":` + pw, `{"password":"` + password + "\n" + `"}`, `"` + password + `"`, `{"password"` + pw + `}`, `{"password":` + password + `}`} {
		for _, target := range []request{{method: "POST", path: "/Users"}, {method: "PUT", path: user}, {method: "PATCH", path: user}, {method: "POST", path: "/Bulk"}} {
			add(target.method, target.path, body)
			add(target.method, target.path, body, "Content-Type", "text/plain; charset="+password)
		}
	}
	add("POST", "/Users", privateUser("large", `,"title":"`+strings.Repeat("x", 2<<20)+`"`))
	add("POST", "/Users", privateUser("deep", `,"x":`+strings.Repeat("[", 100)+pw+strings.Repeat("]", 100)))
	for _, query := range []string{"password=" + password, "filter=" + url.QueryEscape(`password eq "`+password+`"`), "count=" + password, "startIndex=" + password, "cursor=" + password, "filter=" + url.QueryEscape(`userName eq "`+password)} {
		add("GET", "/Users?"+query, "")
		add("POST", "/Users?"+query, privateUser("query", ""))
		add("GET", user+"?"+query, "")
	}
	// The answer may name an attribute that there is not; nothing else may.
	for _, query := range []string{"filter=" + person + "+pr", "sortBy=" + person, "attributes=" + person} {
		add("GET", "/Users?"+query, "")
	}
	add("POST", "/Users/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":"password eq \"`+password+`\""}`)
	add("GET", "/Users/"+password, "")
	add("GET", "/"+password, "")
	add("DELETE", "/Users/"+password, "")
	add("GET", user, "", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("kim:"+password)))
	add("GET", user, "", "Authorization", "Digest "+password)
	add("GET", user, "", "If-None-Match", `"`+password+`"`)
	add("PATCH", user, patchBody(`{"op":"replace","path":"title","value":"b"}`), "If-Match", password)
	return all
}

func bulkBody(method, path, data string) string {
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":%q,"path":%q,"bulkId":"b","data":%s}]}`, method, path, data)
}

// wroteNothingPrivate reads all that was written, and looks for secrets in it, and for the person where no person belongs.
func wroteNothingPrivate(t *testing.T, d *directory) {
	t.Helper()
	secrets := []string{password, base64.StdEncoding.EncodeToString([]byte(password)), wrongToken}
	for _, c := range idps {
		secrets = append(secrets, c.token)
	}
	look := func(where, what string, words ...string) {
		for _, word := range words {
			if at := strings.Index(strings.ToLower(what), strings.ToLower(word)); at >= 0 {
				t.Errorf("%s: %s", where, what[max(0, at-300):min(len(what), at+100)])
			}
		}
	}
	everywhere := append([]string{person}, secrets...)
	for _, r := range d.replicas {
		for _, line := range r.log.all() {
			look("the log of "+r.name, line, everywhere...)
		}
		look("the metrics of "+r.name, metricsText(t, r.current().metrics), everywhere...)
	}
	look("the metrics of controller-runtime", metricsText(t, metrics.Registry), everywhere...)
	kindsSeen := map[string]int{}
	for _, o := range everything(t, d) {
		kind := o.GetKind()
		kindsSeen[kind]++
		raw, err := json.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		// Where tokens belong, they stand in base64.
		look(kind+" "+o.GetName(), string(raw), secrets...)
		if o.GetNamespace() != d.Namespace && kind != "Event" {
			continue
		}
		switch kind {
		case "ScimUser":
			conditions, _, _ := unstructured.NestedFieldNoCopy(o.Object, "status", "conditions")
			annotations := fmt.Sprint(o.GetAnnotations(), o.GetLabels(), o.GetName(), o.GetFinalizers(), conditions)
			look("metadata and conditions of ScimUser "+o.GetName(), annotations, person)
		default:
			look(kind+" "+o.GetName(), string(raw), person)
		}
	}
	if kindsSeen["ScimUser"] == 0 || kindsSeen["Event"] == 0 || kindsSeen["Lease"] == 0 || kindsSeen["ScimApp"] == 0 {
		t.Errorf("what was looked through are %v", kindsSeen)
	}
}

func metricsText(t *testing.T, gatherer prometheus.Gatherer) string {
	t.Helper()
	families, err := gatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&b, family); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// everything is every object of every kind that the API server lists.
func everything(t *testing.T, d *directory) []unstructured.Unstructured {
	t.Helper()
	known, err := discovery.NewDiscoveryClientForConfig(d.Env.Config)
	if err != nil {
		t.Fatal(err)
	}
	lists, err := known.ServerPreferredResources()
	if err != nil {
		t.Fatal(err)
	}
	var all []unstructured.Unstructured
	for _, resources := range lists {
		gv, err := schema.ParseGroupVersion(resources.GroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		for _, resource := range resources.APIResources {
			if !strings.Contains(fmt.Sprint(resource.Verbs), "list") {
				continue
			}
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(gv.WithKind(resource.Kind))
			if err := d.Admin.List(t.Context(), list, client.Limit(10000)); err != nil {
				t.Fatalf("%s: %v", resource.Name, err)
			}
			all = append(all, list.Items...)
		}
	}
	return all
}
