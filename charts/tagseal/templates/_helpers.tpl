{{- /* Labels that pods are selected by. They never change. */ -}}
{{- define "tagseal.selector" -}}
app.kubernetes.io/name: tagseal
{{- end }}

{{- define "tagseal.labels" -}}
{{ include "tagseal.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- /* Names are fixed: webhook configurations and CRDs are the cluster's, so there is one tagseal in it. */ -}}
{{- define "tagseal.metadata" -}}
name: tagseal
namespace: {{ .Release.Namespace }}
labels:
  {{- include "tagseal.labels" . | nindent 2 }}
{{- end }}

{{- define "tagseal.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag -}}
{{ .Values.image.repository }}:{{ $tag }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "tagseal.subjects" -}}
subjects:
- {kind: ServiceAccount, name: tagseal, namespace: {{ .Release.Namespace }}}
{{- end }}

{{- /* The namespaces that the webhooks are asked about. With tagseal down, the others admit pods: so it comes back by itself. */ -}}
{{- define "tagseal.namespaceSelector" -}}
namespaceSelector:
  matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: {{ concat (list "kube-system" .Release.Namespace) .Values.excludeNamespaces | uniq | toJson }}
  - {key: tagseal.dev/admission, operator: NotIn, values: [ignore]}
  {{- if .Values.optIn }}
  - {key: tagseal.dev/admission, operator: In, values: [enforce]}
  {{- end }}
{{- end }}
