{{- define "tagseal.args" -}}
- serve
- --listen={{ include "tagseal.listen" (dict "root" . "port" .Values.webhook.port) }}
- --metrics-listen={{ if .Values.metrics.enabled }}{{ include "tagseal.listen" (dict "root" . "port" .Values.metrics.port) }}{{ else }}none{{ end }}
- --namespace={{ .Release.Namespace }}
- --cache-dir=/var/cache/tagseal
- --clock-skew={{ .Values.clockSkew }}
- --log-format={{ .Values.logFormat }}
{{- range $name, $value := .Values.limits }}
- --{{ kebabcase $name }}={{ if kindIs "string" $value }}{{ $value }}{{ else }}{{ int64 $value }}{{ end }}
{{- end }}
- {{ printf "--webhook-namespaces=%s" ((include "tagseal.namespaceSelector" . | fromYaml).namespaceSelector | toJson) | squote }}
{{- range .Values.excludeNamespacePrefixes }}
- --exclude-namespace-prefix={{ . }}
{{- end }}
{{- with concat (include "tagseal.prefixCondition" . | fromYamlArray) .Values.webhook.matchConditions }}
- {{ printf "--webhook-match-conditions=%s" (toJson .) | quote }}
{{- end }}
- --unmatched-images={{ .Values.unmatchedImages }}
{{- range .Values.trustServers }}
- {{ printf "--trust-servers=%s" . | quote }}
{{- end }}
{{- if .Values.certManager.enabled }}
- --cert-dir=/etc/tagseal/tls
{{- end }}
{{- if .Values.webhook.clientCA.configMap }}
- --client-ca=/etc/tagseal/client-ca/{{ .Values.webhook.clientCA.key }}
{{- range .Values.webhook.clientCA.names }}
- {{ printf "--client-name=%s" . | quote }}
{{- end }}
{{- end }}
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}
