{{/* What a schema cannot say: values that contradict each other. Each message says what to do. */}}
{{- define "ingress-authz.checks" -}}
{{- $v := .Values -}}
{{- $sum := add $v.shutdown.preStopSeconds $v.shutdown.drainSeconds $v.shutdown.graceSeconds 2 -}}
{{- if gt (int64 $sum) (int64 $v.shutdown.terminationGracePeriodSeconds) -}}
{{- fail (printf "shutdown: preStopSeconds + drainSeconds + graceSeconds + 2 is %d, so pods would be killed while they drain: set shutdown.terminationGracePeriodSeconds to %d or more" (int64 $sum) (int64 $sum)) -}}
{{- end -}}
{{- $clientCA := or $v.tls.clientCA.configMapName $v.tls.clientCA.secretName -}}
{{- if and $clientCA (eq $v.tls.mode "None") -}}
{{- fail "tls.clientCA asks clients for certificates, which only TLS can do: set tls.mode to Secret or CertManager" -}}
{{- end -}}
{{- if and $v.tls.clientCA.configMapName $v.tls.clientCA.secretName -}}
{{- fail "tls.clientCA: give one of configMapName and secretName" -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (gt (int64 $v.autoscaling.minReplicas) (int64 $v.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling: minReplicas is more than maxReplicas" -}}
{{- end -}}
{{- range $v.unprotected.gateways -}}
{{- $listed := false -}}
{{- $name := printf "%s/%s" .namespace .name -}}
{{- range $v.gateways -}}{{- if eq $name (printf "%s/%s" .namespace .name) -}}{{- $listed = true -}}{{- end -}}{{- end -}}
{{- if not $listed -}}
{{- fail (printf "unprotected.gateways: %s is not listed in gateways" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
