{{- define "vaultspan.name" -}}
{{- if contains "vaultspan" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-vaultspan" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "vaultspan.selector" -}}
app.kubernetes.io/name: vaultspan
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end }}

{{/* Labels of an object; its selector's labels are added where it has any. */}}
{{- define "vaultspan.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: vaultspan
{{- end }}

{{- define "vaultspan.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "vaultspan.scheme" -}}
{{ if .Values.tls.secretName }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{/* The configuration file: the values' config, and what follows from other values. */}}
{{- define "vaultspan.config" -}}
{{- $http := dict "host" "0.0.0.0" "port" 8080 "tls" "terminated-upstream" }}
{{- if .Values.tls.secretName }}
{{- $http = dict "host" "0.0.0.0" "port" 8080 "tls" "certificate" "certificateFile" "/etc/vaultspan-tls/tls.crt" "keyFile" "/etc/vaultspan-tls/tls.key" }}
{{- end }}
{{- $metrics := dict "enabled" .Values.metrics.enabled "host" "0.0.0.0" "port" 9464 }}
{{- $pods := ternary .Values.autoscaling.maxReplicas .Values.replicas .Values.autoscaling.enabled }}
{{- $set := dict "http" $http "metrics" $metrics "audit" (dict "directory" "/var/lib/vaultspan/audit") "database" (dict "migrate" "by-command") }}
{{- $config := mergeOverwrite (dict "vault" (dict "processes" $pods)) (deepCopy .Values.config) $set }}
{{- toYaml $config }}
{{- end }}

{{- define "vaultspan.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "vaultspan.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "vaultspan.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
