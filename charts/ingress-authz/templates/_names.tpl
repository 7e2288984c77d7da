{{/* A name of at most `max` characters; what is cut off lives on as a hash, so that two long names stay two. */}}
{{- define "ingress-authz.cut" -}}
{{- $max := int .max -}}
{{- if le (len .name) $max -}}
{{- .name -}}
{{- else -}}
{{- printf "%s-%s" (.name | trunc (int (sub $max 9)) | trimSuffix "-") (.name | sha256sum | trunc 8) -}}
{{- end -}}
{{- end -}}

{{- define "ingress-authz.name" -}}
{{- include "ingress-authz.cut" (dict "name" (.Values.nameOverride | default .Chart.Name) "max" 63) -}}
{{- end -}}

{{/* At most 46, so that the name of a pod, which is this and 17 characters more, is a host name of 63 still. */}}
{{- define "ingress-authz.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- include "ingress-authz.cut" (dict "name" (.Values.fullnameOverride | default $full) "max" 46) -}}
{{- end -}}

{{/* Names of objects that belong to no namespace: two releases of one name in two namespaces must not share them. */}}
{{- define "ingress-authz.clustername" -}}
{{- include "ingress-authz.cut" (dict "name" (printf "%s-%s" .Release.Namespace (include "ingress-authz.fullname" .)) "max" 63) -}}
{{- end -}}

{{- define "ingress-authz.selector" -}}
app.kubernetes.io/name: {{ include "ingress-authz.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ingress-authz.podselector" -}}
{{ include "ingress-authz.selector" . }}
app.kubernetes.io/component: service
{{- end -}}

{{- define "ingress-authz.labels" -}}
{{- $chart := include "ingress-authz.cut" (dict "name" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") "max" 63) -}}
{{- $own := dict "helm.sh/chart" $chart "app.kubernetes.io/version" (.Chart.AppVersion | toString) "app.kubernetes.io/managed-by" .Release.Service "app.kubernetes.io/part-of" "ingress-authz" -}}
{{- toYaml (mergeOverwrite (dict) .Values.commonLabels $own (include "ingress-authz.selector" . | fromYaml)) -}}
{{- end -}}

{{- define "ingress-authz.serviceaccount" -}}
{{- .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "ingress-authz.fullname" .) "default") -}}
{{- end -}}

{{- define "ingress-authz.image" -}}
{{- $registry := .Values.global.imageRegistry | default .Values.image.registry -}}
{{- $name := printf "%s/%s" ($registry | default "" | trimSuffix "/") .Values.image.repository | trimPrefix "/" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $name .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "ingress-authz.pullsecrets" -}}
{{- with concat .Values.imagePullSecrets (.Values.global.imagePullSecrets | default list) | uniq -}}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* The Secret with certificate and key of the gRPC port; empty without TLS. */}}
{{- define "ingress-authz.tlssecret" -}}
{{- if eq .Values.tls.mode "Secret" -}}
{{- .Values.tls.secretName -}}
{{- else if eq .Values.tls.mode "CertManager" -}}
{{- printf "%s-tls" (include "ingress-authz.fullname" .) -}}
{{- end -}}
{{- end -}}

{{- define "ingress-authz.host" -}}
{{- printf "%s.%s.svc" (include "ingress-authz.fullname" .) .Release.Namespace -}}
{{- end -}}

{{- define "ingress-authz.subject" -}}
- kind: ServiceAccount
  name: {{ include "ingress-authz.serviceaccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
