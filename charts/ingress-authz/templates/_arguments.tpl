{{/* How an address is found, as one word of the command line: `x-forwarded-for;hops=1;trusted=10.0.0.0/8`. */}}
{{- define "ingress-authz.how" -}}
{{- if eq .how "Peer" -}}
peer
{{- else if eq .how "XForwardedFor" -}}
x-forwarded-for
{{- else -}}
header:{{ .header }}
{{- end -}}
{{- end -}}

{{- define "ingress-authz.howforgateway" -}}
{{- include "ingress-authz.how" . -}}
{{- if eq .how "XForwardedFor" -}}
;hops={{ .trustedHops }}
{{- end -}}
{{- if ne .how "Peer" -}}
;trusted={{ join "," .trustedProxies }}
{{- end -}}
{{- if and (eq .how "XForwardedFor") (eq (.envoyAppendsPeer | toString) "false") -}}
;appends=no
{{- end -}}
{{- end -}}

{{/* Where a certificate is told, as one word of the command line: `xfcc;trusted=10.0.0.0/8`. */}}
{{- define "ingress-authz.certificatefrom" -}}
{{- $words := dict "Peer" "peer" "XForwardedClientCert" "xfcc" "ClientCert" "client-cert" -}}
{{- get $words .how | default (printf "header:%s" .header) -}}
{{- if and .trustedProxies (ne .how "Peer") -}}
;trusted={{ join "," .trustedProxies }}
{{- end -}}
{{- end -}}

{{/* The arguments of the container, a list. */}}
{{- define "ingress-authz.arguments" -}}
- serve
- --kube
- --listen={{ .Values.listenAddress }}:9001
- --admin-listen={{ .Values.listenAddress }}:9002
{{- range .Values.watchNamespaces }}
- --watch-namespace={{ . }}
{{- end }}
{{- if .Values.apiServer.lenientCA }}
- --kube-lenient-ca
{{- end }}
{{- if .Values.snapshot.enabled }}
- --snapshot=/var/lib/ingress-authz/snapshot.json
{{- end }}
{{- range .Values.hostsFrom }}
- --hosts-from={{ .namespace }}{{ with .hosts }}={{ join "," . }}{{ end }}
{{- end }}
{{- range $gateway := .Values.gateways }}
- --gateway={{ $gateway.namespace }}/{{ $gateway.name }}
{{- with $gateway.clientAddress }}{{ if .how }}
- --gateway-client-address={{ $gateway.namespace }}/{{ $gateway.name }}={{ include "ingress-authz.howforgateway" . }}
{{- end }}{{ end }}
{{- with $gateway.clientCertificate }}{{ if .how }}
- --gateway-client-certificate={{ $gateway.namespace }}/{{ $gateway.name }}={{ include "ingress-authz.certificatefrom" . }}
{{- end }}{{ end }}
{{- end }}
{{- with .Values.clientAddress }}{{ if .how }}
- --client-address={{ include "ingress-authz.how" . }}
{{- if ne .how "Peer" }}
{{- range .trustedProxies }}
- --trusted-proxy={{ . }}
{{- end }}
{{- end }}
{{- if eq .how "XForwardedFor" }}
- --trusted-hops={{ .trustedHops }}
- --{{ .envoyAppendsPeer | ternary "" "no-" }}envoy-appends-peer
{{- end }}
{{- end }}{{ end }}
{{- with .Values.clientCertificate }}{{ if .how }}
- --client-certificate={{ include "ingress-authz.certificatefrom" . }}
{{- end }}{{ end }}
{{- if .Values.unprotected.all }}
- --unprotected=all
{{- end }}
{{- range .Values.unprotected.hosts }}
- {{ printf "--unprotected=%s" . | quote }}
{{- end }}
{{- range .Values.unprotected.gateways }}
- --unprotected=gateway:{{ .namespace }}/{{ .name }}
{{- end }}
{{- range .Values.identityHeaders }}
- --identity-header={{ . }}
{{- end }}
{{- if .Values.apiKeys.digestKey.secretName }}
- --api-key-digest-key=/etc/ingress-authz/digest-key/{{ .Values.apiKeys.digestKey.key }}
{{- end }}
{{- if .Values.fetch.ca.configMapName }}
- --fetch-ca=/etc/ingress-authz/fetch-ca/{{ .Values.fetch.ca.key }}
{{- end }}
{{- range .Values.fetch.insecureOrigins }}
- --fetch-insecure={{ . }}
{{- end }}
{{- if include "ingress-authz.tlssecret" . }}
- --tls-cert=/etc/ingress-authz/tls/tls.crt
- --tls-key=/etc/ingress-authz/tls/tls.key
{{- if or .Values.tls.clientCA.configMapName .Values.tls.clientCA.secretName }}
- --tls-client-ca=/etc/ingress-authz/client-ca/{{ .Values.tls.clientCA.key }}
{{- end }}
{{- end }}
- --max-message-bytes={{ int64 .Values.limits.maxMessageBytes }}
- --max-deadline={{ .Values.limits.maxDeadlineSeconds }}
- --max-waiting={{ int64 .Values.limits.maxWaiting }}
- --connection-age={{ int64 .Values.limits.connectionAgeSeconds }}
- --drain={{ .Values.shutdown.drainSeconds }}
- --grace={{ .Values.shutdown.graceSeconds }}
- --allow-sample={{ .Values.allowSample }}
- --log-rate={{ int64 .Values.logRate }}
{{- end -}}
