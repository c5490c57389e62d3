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
{{ required "image.repository is not set: say where the image of tagseal was pushed to, such as --set image.repository=registry.example.com/tagseal" .Values.image.repository }}:{{ $tag }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "tagseal.subjects" -}}
subjects:
- {kind: ServiceAccount, name: tagseal, namespace: {{ .Release.Namespace }}}
{{- end }}

{{- /* The namespaces that the webhooks are asked about, but for those that `tagseal.prefixCondition` leaves out. With tagseal down, the others admit pods: so it comes back by itself. */ -}}
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

{{- /* A list in CEL. The schema lets no quotation mark into it. */ -}}
{{- define "tagseal.celList" -}}
{{ . | toJson | replace "\"" "'" }}
{{- end }}

{{- /* The matchCondition for `excludeNamespacePrefixes`: a namespaceSelector has no prefixes. */ -}}
{{- define "tagseal.prefixCondition" -}}
{{- with .Values.excludeNamespacePrefixes }}
- name: namespace-prefix-not-excluded
  expression: "!{{ include "tagseal.celList" . }}.exists(prefix, request.namespace.startsWith(prefix))"
{{- end }}
{{- end }}

{{- /* A duration as Go reads it, which knows no days. */ -}}
{{- define "tagseal.goDuration" -}}
{{- $rest := . -}}
{{- with regexFind "^[0-9]+d" . -}}
{{- $rest = trimPrefix . $rest -}}
{{ mul 24 (trimSuffix "d" . | int64) }}h
{{- end -}}
{{ $rest }}
{{- end }}

{{- /* The seconds of a duration. */ -}}
{{- define "tagseal.seconds" -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+(d|h|ms|m|s)" . -1 -}}
{{- $number := regexFind "^[0-9]+" . | int64 -}}
{{- $sum = add $sum (mul $number (get (dict "d" 86400 "h" 3600 "m" 60 "s" 1 "ms" 0) (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{ $sum }}
{{- end }}

{{- /* `webhook.address` and a port as `serve` takes them: IPv6 in brackets. */ -}}
{{- define "tagseal.listen" -}}
{{- $address := .root.Values.webhook.address -}}
{{ if and (contains ":" $address) (not (hasPrefix "[" $address)) }}[{{ $address }}]{{ else }}{{ $address }}{{ end }}:{{ .port }}
{{- end }}

{{- /* What the schema cannot say, because it is about several values: fails with what to change. */ -}}
{{- define "tagseal.checks" -}}
{{- if .Values.metrics.enabled -}}
{{- if eq (int .Values.webhook.port) (int .Values.metrics.port) -}}
{{- fail (printf "webhook.port and metrics.port are both %d: a pod can listen there once; change one of them" (int .Values.metrics.port)) -}}
{{- end -}}
{{- if eq (int .Values.metrics.port) 443 -}}
{{- fail "metrics.port is 443, which is the port of the webhook in the Service: choose another one" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.hostNetwork (get (.Values.podSecurityContext | default dict) "runAsNonRoot") -}}
{{- range $name, $on := dict "webhook" true "metrics" .Values.metrics.enabled -}}
{{- $port := int (get (get $.Values $name) "port") -}}
{{- if and $on (lt $port 1024) -}}
{{- fail (printf "%s.port is %d: on the network of the node, ports below 1024 are for root, which the pods are not; choose a higher one" $name $port) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $known := list "pod-spec-or-template-changed" "namespace-prefix-not-excluded" -}}
{{- range .Values.webhook.matchConditions -}}
{{- if has .name $known -}}
{{- fail (printf "webhook.matchConditions: there is another one named %q; choose another name" .name) -}}
{{- end -}}
{{- $known = append $known .name -}}
{{- end -}}
{{- $own := dict "listen" "webhook.address and webhook.port" "metrics-listen" "metrics" "namespace" "the namespace of the release" "cache-dir" "cache" "clock-skew" "clockSkew" "log-format" "logFormat" "webhook-namespaces" "excludeNamespaces and optIn" "webhook-match-conditions" "webhook.matchConditions" "unmatched-images" "unmatchedImages" "cert-dir" "certManager" "client-ca" "webhook.clientCA" -}}
{{- range $name, $_ := .Values.limits -}}
{{- $_ := set $own (kebabcase $name) (printf "limits.%s" $name) -}}
{{- end -}}
{{- range .Values.extraArgs -}}
{{- $name := . | trimPrefix "--" | splitList "=" | first -}}
{{- with get $own $name -}}
{{- fail (printf "extraArgs: --%s is what the chart gives itself; set it by %s" $name .) -}}
{{- end -}}
{{- if and $.Values.certManager.enabled (has $name (list "certificate-lifetime" "certificate-secret")) -}}
{{- fail (printf "extraArgs: --%s is for the certificate that tagseal makes itself, and certManager.enabled is true; set certManager.duration" $name) -}}
{{- end -}}
{{- if and (eq $name "client-name") (not $.Values.webhook.clientCA.configMap) -}}
{{- fail "extraArgs: --client-name needs webhook.clientCA.configMap" -}}
{{- end -}}
{{- end -}}
{{- if .Values.certManager.enabled -}}
{{- $duration := include "tagseal.seconds" .Values.certManager.duration | int64 -}}
{{- $renewBefore := include "tagseal.seconds" .Values.certManager.renewBefore | int64 -}}
{{- if lt $duration 3600 -}}
{{- fail (printf "certManager.duration is %q: cert-manager issues nothing for less than 1h" .Values.certManager.duration) -}}
{{- end -}}
{{- if or (lt $renewBefore 300) (ge $renewBefore $duration) -}}
{{- fail (printf "certManager.renewBefore is %q: it has to be 5m at least, and less than certManager.duration (%q)" .Values.certManager.renewBefore .Values.certManager.duration) -}}
{{- end -}}
{{- end -}}
{{- end }}
