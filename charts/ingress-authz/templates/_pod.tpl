{{/* Volumes of certificates that both the service and its test mount. */}}
{{- define "ingress-authz.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: 16Mi
{{- if .Values.snapshot.enabled }}
- name: snapshot
  emptyDir:
    sizeLimit: {{ .Values.snapshot.sizeLimit }}
{{- end }}
{{- with include "ingress-authz.tlssecret" . }}
- name: tls
  secret:
    secretName: {{ . }}
{{- end }}
{{- with .Values.tls.clientCA.configMapName }}
- name: client-ca
  configMap:
    name: {{ . }}
{{- end }}
{{- with .Values.tls.clientCA.secretName }}
- name: client-ca
  secret:
    secretName: {{ . }}
    items:
      - key: {{ $.Values.tls.clientCA.key }}
        path: {{ $.Values.tls.clientCA.key }}
{{- end }}
{{- with .Values.apiKeys.digestKey.secretName }}
- name: digest-key
  secret:
    secretName: {{ . }}
    items:
      - key: {{ $.Values.apiKeys.digestKey.key }}
        path: {{ $.Values.apiKeys.digestKey.key }}
{{- end }}
{{- with .Values.fetch.ca.configMapName }}
- name: fetch-ca
  configMap:
    name: {{ . }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "ingress-authz.mounts" -}}
- name: tmp
  mountPath: /tmp
{{- if .Values.snapshot.enabled }}
- name: snapshot
  mountPath: /var/lib/ingress-authz
{{- end }}
{{- if include "ingress-authz.tlssecret" . }}
- name: tls
  mountPath: /etc/ingress-authz/tls
  readOnly: true
{{- end }}
{{- if or .Values.tls.clientCA.configMapName .Values.tls.clientCA.secretName }}
- name: client-ca
  mountPath: /etc/ingress-authz/client-ca
  readOnly: true
{{- end }}
{{- if .Values.apiKeys.digestKey.secretName }}
- name: digest-key
  mountPath: /etc/ingress-authz/digest-key
  readOnly: true
{{- end }}
{{- if .Values.fetch.ca.configMapName }}
- name: fetch-ca
  mountPath: /etc/ingress-authz/fetch-ca
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "ingress-authz.spread" -}}
{{- if .Values.topologySpreadConstraints -}}
topologySpreadConstraints:
  {{- toYaml .Values.topologySpreadConstraints | nindent 2 }}
{{- else if .Values.topologySpread.enabled -}}
topologySpreadConstraints:
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: {{ $.Values.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "ingress-authz.podselector" $ | nindent 8 }}
    matchLabelKeys:
      - pod-template-hash
{{- end }}
{{- end -}}
{{- end -}}
