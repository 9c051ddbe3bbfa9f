{{/* Name of the chart. */}}
{{- define "scim-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Name of most objects: a release called like the chart does not say it twice. */}}
{{- define "scim-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "scim-operator.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "scim-operator.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What selects the pods. It must never change: a Deployment refuses it. */}}
{{- define "scim-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "scim-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "scim-operator.labels" -}}
{{ include "scim-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.global.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "scim-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "scim-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name: name the ServiceAccount, or set serviceAccount.create" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "scim-operator.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "scim-operator.tlsSecret" -}}
{{- .Values.tls.secretName | default (printf "%s-tls" (include "scim-operator.fullname" .)) }}
{{- end }}

{{/* given, certManager or selfMade: who makes the certificate. */}}
{{- define "scim-operator.tlsSource" -}}
{{- if .Values.tls.certManager.enabled }}certManager
{{- else if .Values.tls.secretName }}given
{{- else if .Values.tls.selfMade }}selfMade
{{- else }}{{ fail "tls: set secretName, certManager.enabled or selfMade" }}
{{- end }}
{{- end }}

{{/* Names under which the endpoint of .root is reached, as a YAML list: those of the Service in .namespace, if there is one, and others. */}}
{{- define "scim-operator.hosts" -}}
{{- $hosts := list }}
{{- with .root.Values.externalURL }}
{{- $hosts = append $hosts ((urlParse .).host | splitList ":" | first) }}
{{- end }}
{{- if .namespace }}
{{- $service := include "scim-operator.fullname" .root }}
{{- $inNamespace := printf "%s.%s" $service .namespace }}
{{- $hosts = concat $hosts (list (printf "%s.svc" $inNamespace) (printf "%s.svc.cluster.local" $inNamespace) $inNamespace $service) }}
{{- end }}
{{- $hosts = concat $hosts .root.Values.tls.certManager.dnsNames }}
{{- $hosts | uniq | toYaml }}
{{- end }}

{{/* Namespaces to watch, as a YAML list; empty for all. */}}
{{- define "scim-operator.namespaces" -}}
{{- $all := list }}
{{- range .Values.namespaces }}
{{- $all = append $all (tpl . $) }}
{{- end }}
{{- $all | uniq | toYaml }}
{{- end }}

{{/* Name of roles that belong to no namespace. Operators that look after namespaces of their own have their own. */}}
{{- define "scim-operator.clusterName" -}}
{{- include "scim-operator.fullname" . }}
{{- if include "scim-operator.namespaces" . | fromYamlArray }}-{{ .Release.Namespace }}{{ end }}
{{- end }}

{{/* The rules of config/rbac, of kind ClusterRole (what is watched) or Role (the operator's own namespace). The Secret of the certificate has the name that the
values give it, and is nobody's business where the operator does not make it. */}}
{{- define "scim-operator.rules" -}}
{{- $made := eq (include "scim-operator.tlsSource" .root) "selfMade" }}
{{- $rules := list }}
{{- range $text := splitList "---\n" (.root.Files.Get "files/role.yaml") }}
{{- $role := fromYaml $text }}
{{- if eq (default "" $role.kind) $.kind }}
{{- range $role.rules }}
{{- if not (has "scim-operator-tls" (default list .resourceNames)) }}
{{- $rules = append $rules . }}
{{- else if $made }}
{{- $rules = append $rules (set . "resourceNames" (list (include "scim-operator.tlsSecret" $.root))) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $rules }}
{{- end }}
