// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/test/e2e/relay"
	"github.com/scim-operator/scim-operator/test/session"
)

const (
	// appToken is what the apps want to see, scimToken what the ScimClients of demo and load accept.
	appToken  = "app-token-0123456789abcdef"
	scimToken = "scim-token-0123456789abcdef"
	appsHost  = "apps." + toolsNamespace + ".svc"
)

// appPorts are the apps of the pod: two for config/samples, two for the load.
var appPorts = map[string]int{"common-room": 9441, "r-service": 9442, "crm": 9443, "desk": 9444}

// toolsManifest is what runs beside the operator. The level is enforced here as well: nothing that the tests need is more than an ordinary pod.
const toolsManifest = `
apiVersion: v1
kind: Namespace
metadata: {name: $namespace, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: Service
metadata: {name: apps, namespace: $namespace}
spec:
  selector: {app: apps}
  ports:
  - {name: common-room, port: 9441}
  - {name: r-service, port: 9442}
  - {name: crm, port: 9443}
  - {name: desk, port: 9444}
---
` + podManifest

// podManifest is one pod.
const podManifest = `apiVersion: v1
kind: Pod
metadata: {name: $name, namespace: $namespace, labels: {app: $name}}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 1
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: $name
    image: $image
    imagePullPolicy: IfNotPresent
    args: $args
    env: [{name: APP_TOKEN, value: $token}]
    readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
`

func (w *world) manifest(text, name string, args ...string) string {
	list, _ := json.Marshal(args) //nolint:errchkjson // strings
	return fill(text, map[string]string{"namespace": toolsNamespace, "name": name, "image": w.podImage, "args": string(list), "token": appToken})
}

// fill puts values in the place of $names.
func fill(text string, values map[string]string) string {
	return os.Expand(text, func(name string) string { return values[name] })
}

// testTools starts the apps and the clients, and learns what each has to trust.
func testTools(t testing.TB, w *world) {
	w.apply(t, w.manifest(toolsManifest, "apps", "apps", "--host="+appsHost,
		"--app=common-room=CommonRoom:9441", "--app=r-service=RService:9442", "--group=r-service=Service Desk",
		"--app=crm=Generic:9443", "--app=desk=Generic:9444"))
	w.apply(t, w.manifest(podManifest, "clients", "clients"))
	w.run(t, "kubectl", "wait", "--namespace", toolsNamespace, "pod/apps", "pod/clients", "--for=condition=Ready", "--timeout=2m")
	for name := range appPorts {
		ca, err := w.ask(t.Context(), http.MethodGet, "apps", name+"/ca", nil)
		if err != nil {
			t.Fatal(err)
		}
		w.appCA[name] = string(ca)
	}
	secret, err := w.set.CoreV1().Secrets(systemNamespace).Get(t.Context(), release+"-tls", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.ca = string(secret.Data["ca.crt"])
	w.reachable(t, origin, w.ca)
}

// reachable waits until an endpoint answers under the name of its Service, with a certificate that ca vouches for: Helm waits for the pods, and kube-proxy learns of
// them a moment later.
func (w *world) reachable(t testing.TB, origin, ca string) {
	t.Helper()
	eventually(t, "the endpoint answers under the name of its Service, with a certificate that is signed for it", func(ctx context.Context) error {
		answer, err := w.send(ctx, relay.Request{Method: http.MethodGet, URL: origin + "/", CA: ca})
		if err == nil && answer.Status != http.StatusNotFound {
			err = fmt.Errorf("status %d", answer.Status)
		}
		return err
	})
}

// ask asks a pod of the tools, through the API server.
func (w *world) ask(ctx context.Context, method, pod, path string, body any) ([]byte, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	// A proxy answers as the pod does: with an error that has the body.
	return w.set.CoreV1().RESTClient().Verb(method).Namespace(toolsNamespace).Resource("pods").Name(pod + ":8080").SubResource("proxy").
		Suffix(path).Body(data).Do(ctx).Raw()
}

// send has a request sent from the pod of the clients.
func (w *world) send(ctx context.Context, request relay.Request) (relay.Answer, error) {
	data, err := w.ask(ctx, http.MethodPost, "clients", "send", request)
	if err != nil {
		return relay.Answer{}, err
	}
	var answer relay.Answer
	if err := json.Unmarshal(data, &answer); err != nil {
		return answer, err
	}
	if answer.Error != "" {
		return answer, errors.New(answer.Error)
	}
	return answer, nil
}

// RoundTrip makes the pod of the clients a transport.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		defer r.Body.Close()
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	answer, err := w.send(r.Context(), relay.Request{Method: r.Method, URL: r.URL.String(), Header: r.Header, Body: body, CA: w.ca})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: answer.Status, Status: http.StatusText(answer.Status), Header: answer.Header, Body: io.NopCloser(bytes.NewReader(answer.Body)),
		ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: int64(len(answer.Body)),
	}, nil
}

// app is one of the pod's apps.
func (w *world) app(name string) session.App {
	return session.App{
		Name: name, URL: "https://" + net.JoinHostPort(appsHost, strconv.Itoa(appPorts[name])) + "/scim/v2",
		Look: func(ctx context.Context) (held session.Holdings, err error) {
			data, err := w.ask(ctx, http.MethodGet, "apps", name+"/holdings", nil)
			if err == nil {
				err = json.Unmarshal(data, &held)
			}
			return held, err
		},
	}
}

// directory makes a namespace with the Secrets of its ScimClient and its apps.
func (w *world) directory(t testing.TB, namespace string, apps ...session.App) {
	t.Helper()
	create := func(secret string, values map[string]string) {
		t.Helper()
		object := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: secret, Labels: map[string]string{v1alpha1.LabelCredentials: "true"}}, StringData: values,
		}
		if err := w.admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		t.Fatal(err)
	}
	create("okta-token", map[string]string{"token": scimToken})
	for _, app := range apps {
		create(app.Name+"-credentials", map[string]string{"token": appToken, "ca.crt": w.appCA[app.Name]})
	}
}
