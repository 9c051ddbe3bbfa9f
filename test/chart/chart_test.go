// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/test/helm"
)

// variants are the main ways to install the chart.
var variants = map[string]string{
	"as it is": "",
	"one namespace by Roles": `
namespaces: ["{{ .Release.Namespace }}"]
metrics: {authorization: false}
rbac: {aggregate: false}
crds: {enabled: false}`,
	"some namespaces": `namespaces: [team-a, team-b]`,
	"some namespaces by Roles": `
namespaces: [team-a, team-b]
metrics: {authorization: false}
rbac: {aggregate: false, namespaceDeletion: false}
crds: {enabled: false}`,
	"for production": `
externalURL: https://scim.example.com
image: {digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
imagePullSecrets: [{name: regcred}]
tls: {secretName: scim-tls}
replicaCount: 3
priorityClassName: system-cluster-critical
ingress: {enabled: true, className: nginx, hosts: [scim.example.com], tls: [{secretName: public, hosts: [scim.example.com]}]}
networkPolicy: {enabled: true, ingressFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}}]}
service: {type: NodePort, nodePort: 30443}
extraEnv: [{name: HTTPS_PROXY, value: "http://proxy.example.com:3128"}]
extraVolumes: [{name: ca, configMap: {name: ca}}]
extraVolumeMounts: [{name: ca, mountPath: /etc/ca}]
extraArgs: [--debug]
credentialTestInterval: 1h30m
podAnnotations: {example.com/a: b}
allowedAddresses: [10.0.0.0/8]
extraObjects:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: "{{ .Release.Name }}-extra"}, data: {a: b}}
  - "{apiVersion: v1, kind: ConfigMap, metadata: {name: text}}"`,
	"one replica":         `replicaCount: 1`,
	"names of any length": "fullnameOverride: identity-of-everybody-who-works-here-or-has-ever-worked-here-and-of-their-machines",
	"own names and roles": "fullnameOverride: identity\nserviceAccount: {create: false, name: mine}\nrbac: {create: false}",
	"within another chart": `
global: {imagePullSecrets: [{name: regcred}], commonLabels: {team: identity}, other: {chart: values}}
enabled: true`,
}

func TestARealAPIServerTakesTheVariants(t *testing.T) {
	env := cptest.New(t)
	c, err := client.New(env.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{namespace, "team-a", "team-b"} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
		if err := c.Create(t.Context(), ns); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	for name, values := range variants {
		t.Run(name, func(t *testing.T) {
			for _, o := range render(t, values) {
				mapping, err := c.RESTMapper().RESTMapping(o.GroupVersionKind().GroupKind(), o.GroupVersionKind().Version)
				if err != nil {
					t.Fatal(err)
				}
				if mapping.Scope.Name() == meta.RESTScopeNameNamespace && o.GetNamespace() == "" {
					o.SetNamespace(namespace)
				}
				if o.GetKind() == "Deployment" {
					takesPod(t, c, o)
				}
				if err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.DryRunAll, client.FieldOwner("helm"), client.ForceOwnership); err != nil {
					t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
				}
			}
		})
	}
}

// takesPod makes the pod of a Deployment, on trial, in a namespace of the Pod Security level restricted.
func takesPod(t *testing.T, c client.Client, deployment *unstructured.Unstructured) {
	t.Helper()
	template, _, err := unstructured.NestedMap(deployment.Object, "spec", "template")
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(template, pod, true); err != nil {
		t.Errorf("the pod: %v", err)
	}
	pod.Name, pod.Namespace = "trial", deployment.GetNamespace()
	// The ServiceAccount is applied on trial, too.
	pod.Spec.ServiceAccountName = ""
	pod.Spec.PriorityClassName = ""
	if err := c.Create(t.Context(), pod, client.DryRunAll); err != nil && !strings.Contains(err.Error(), `serviceaccount "default" not found`) {
		t.Errorf("the pod: %v", err)
	}
}

// Kinds of other projects are not known to the API server of this test.
func TestObjectsOfOtherProjects(t *testing.T) {
	objects := render(t, `
externalURL: https://scim.example.com:8443
tls: {certManager: {enabled: true, issuerRef: {name: letsencrypt}, dnsNames: [scim.example.org]}}
httpRoute: {enabled: true, parentRefs: [{name: public, namespace: gateways}], hostnames: [scim.example.com]}
metrics: {serviceMonitor: {enabled: true, labels: {prometheus: main}}}`)
	certificate := find(t, objects, "Certificate", release)
	names, _, err := unstructured.NestedStringSlice(certificate.Object, "spec", "dnsNames")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{
		"scim.example.com", "scim-operator.scim-operator-system.svc", "scim-operator.scim-operator-system.svc.cluster.local",
		"scim-operator.scim-operator-system", "scim-operator", "scim.example.org",
	}, names); diff != "" {
		t.Error(diff)
	}
	certificate = find(t, render(t, `
externalURL: https://scim.example.com
tls: {certManager: {enabled: true, issuerRef: {name: letsencrypt}, serviceNames: false}}`), "Certificate", release)
	names, _, err = unstructured.NestedStringSlice(certificate.Object, "spec", "dnsNames")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"scim.example.com"}, names); diff != "" {
		t.Errorf("for a public authority: %s", diff)
	}
	route := find(t, objects, "HTTPRoute", release)
	rules, _, err := unstructured.NestedSlice(route.Object, "spec", "rules")
	if err != nil || len(rules) != 1 {
		t.Errorf("rules of the HTTPRoute: %v, %v", rules, err)
	}
	monitor := find(t, objects, "ServiceMonitor", release)
	if got := monitor.GetLabels()["prometheus"]; got != "main" {
		t.Errorf("label of the ServiceMonitor: %q", got)
	}
}

func TestRolesOnlyIsRolesOnly(t *testing.T) {
	for _, variant := range []string{"one namespace by Roles", "some namespaces by Roles"} {
		for name, n := range kinds(render(t, variants[variant])) {
			if strings.HasPrefix(name, "Cluster") || strings.HasPrefix(name, "ValidatingAdmission") || name == "CustomResourceDefinition" {
				t.Errorf("%s: %d objects of kind %s", variant, n, name)
			}
		}
	}
	count := kinds(render(t, variants["some namespaces"]))
	if count["Role"] != 3 || count["RoleBinding"] != 3 {
		t.Errorf("for two namespaces and the operator's own: %v", count)
	}
}

// The Secret of the certificate is the operator's business where it makes it, and none else.
func TestOwnRoleNamesTheSecretOfTheCertificate(t *testing.T) {
	for values, want := range map[string][]string{
		"":                               {"scim-operator-cursors", "scim-operator-tls"},
		"fullnameOverride: identity":     {"scim-operator-cursors", "identity-tls"},
		"tls: {secretName: of-a-person}": {"scim-operator-cursors"},
		"tls: {certManager: {enabled: true, issuerRef: {name: letsencrypt}}}": {"scim-operator-cursors"},
	} {
		var secrets []string
		for _, o := range render(t, values) {
			role := &rbacv1.Role{}
			if o.GetKind() != "Role" {
				continue
			}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, role); err != nil {
				t.Fatal(err)
			}
			for _, rule := range role.Rules {
				if slices.Contains(rule.Resources, "secrets") && len(rule.ResourceNames) == 0 && !slices.Equal(rule.Verbs, []string{"create"}) {
					t.Errorf("%s: %v of every Secret", values, rule.Verbs)
				}
				if slices.Contains(rule.Resources, "secrets") {
					secrets = append(secrets, rule.ResourceNames...)
				}
			}
		}
		if diff := cmp.Diff(want, secrets); diff != "" {
			t.Errorf("%s: %s", values, diff)
		}
	}
}

// The operator may do the same in a watched namespace, whichever way it is given.
func TestRulesAreTheSameForOneNamespaceAndForAll(t *testing.T) {
	rules := func(o *unstructured.Unstructured) any { return o.Object["rules"] }
	all := rules(find(t, render(t, ""), "ClusterRole", release))
	one := rules(find(t, render(t, "namespaces: [team-a]"), "Role", release))
	if diff := cmp.Diff(all, one); diff != "" || all == nil {
		t.Error(diff)
	}
}

func TestCRDsStayUnlessTheyNeedNot(t *testing.T) {
	kept := func(values string) (kept, all int) {
		for _, o := range render(t, values) {
			if o.GetKind() == "CustomResourceDefinition" {
				all++
				if o.GetAnnotations()["helm.sh/resource-policy"] == "keep" {
					kept++
				}
			}
		}
		return kept, all
	}
	want := len(helm.Objects(t, crds(t)))
	if n, all := kept(""); n != all || all != want {
		t.Errorf("by default %d of %d CRDs are kept", n, all)
	}
	if n, all := kept("crds: {keep: false}"); n != 0 || all != want {
		t.Errorf("with keep: false %d of %d CRDs are kept", n, all)
	}
}

// Argo CD and Flux render again and again: what differs each time is applied each time.
func TestRenderingTwiceGivesTheSame(t *testing.T) {
	for name, values := range variants {
		if diff := cmp.Diff(render(t, values), render(t, values)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// What such functions give differs from cluster to cluster or from time to time. Rendering without a cluster shows the latter alone.
func TestTemplatesLookNothingUpAndMakeNothingUp(t *testing.T) {
	impure := regexp.MustCompile(`\{\{[^}]*\b(lookup|now|uuidv4|getHostByName|rand\w+|gen(?:CA|PrivateKey|SelfSigned|Signed)\w*|htpasswd|bcrypt|encryptAES)\b`)
	files, err := filepath.Glob(filepath.Join(helm.Root(t), "charts", "*", "templates", "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if match := impure.FindStringSubmatch(string(text)); match != nil {
			t.Errorf("%s calls %s", file, match[1])
		}
	}
}

func TestWhatIsWrongWithValuesIsSaid(t *testing.T) {
	for values, want := range map[string]string{
		`replicaCount: many`:                  "replicaCount",
		`replicaCount: -1`:                    "replicaCount",
		`image: {tagg: v1}`:                   "tagg",
		`image: {digest: abc}`:                "digest",
		`externalURL: scim.example.com`:       "externalURL",
		`service: {type: ExternalName}`:       "type",
		`tls: {selfMade: false}`:              "tls: set secretName, certManager.enabled or selfMade",
		`tls: {certManager: {enabled: true}}`: "tls.certManager.issuerRef.name: name the issuer",
		`tls: {certManager: {enabled: true, issuerRef: {name: public}, serviceNames: false}}`: "tls.certManager.serviceNames: without the names",
		`ingress: {enabled: true}`:                                   "ingress.hosts: name at least one host",
		`httpRoute: {enabled: true}`:                                 "httpRoute.parentRefs: name at least one Gateway",
		`serviceAccount: {create: false}`:                            "serviceAccount.name: name the ServiceAccount",
		`metrics: {enabled: false, serviceMonitor: {enabled: true}}`: "metrics.serviceMonitor: it needs metrics.enabled",
	} {
		if _, err := run(t, values, "template", release, helm.Chart(t)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v, want %q", values, err, want)
		}
	}
}

func TestLint(t *testing.T) {
	for _, tool := range []string{"helm", "helm3"} {
		h := helm.Helm{Tool: tool, Kubeconfig: os.DevNull}
		for name, values := range variants {
			if _, err := h.Run(t, namespace, values, "lint", "--strict", "--quiet", helm.Chart(t)); err != nil {
				t.Errorf("%s: %s: %v", tool, name, err)
			}
		}
		if _, err := h.Run(t, namespace, "", "lint", "--strict", "--quiet", crdChart(t)); err != nil {
			t.Errorf("%s: the chart of the CRDs: %v", tool, err)
		}
	}
}

func TestHelm3RendersWhatHelm4Does(t *testing.T) {
	old := helm.Helm{Tool: "helm3", Kubeconfig: os.DevNull}
	for name, values := range variants {
		text, err := old.Run(t, namespace, values, "template", release, helm.Chart(t))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(named(t, render(t, values)), named(t, helm.Objects(t, text))); diff != "" {
			t.Errorf("%s: Helm 4 (-) and Helm 3 (+) differ:\n%s", name, diff)
		}
	}
}

// Artifact Hub shows what the annotation says.
func TestTheAnnotationNamesTheCRDs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(helm.Chart(t), "Chart.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var chart struct{ Annotations map[string]string }
	var listed []struct{ Kind, Version, Name, DisplayName, Description string }
	if err := yaml.Unmarshal(text, &chart); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict([]byte(chart.Annotations["artifacthub.io/crds"]), &listed); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, crd := range listed {
		got[crd.Name] = crd.Kind
	}
	want := map[string]string{}
	for _, o := range helm.Objects(t, crds(t)) {
		kind, _, err := unstructured.NestedString(o.Object, "spec", "names", "kind")
		if err != nil {
			t.Fatal(err)
		}
		want[o.GetName()] = kind
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the CRDs (-) and the annotation (+): %s", diff)
	}
}
