#!/usr/bin/env bash
# Renders manifests/ into a folder: the chart as `kubectl apply --server-side -f` takes it.
#   render.sh FOLDER HELM
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1 helm=$2

render() { # FILE COMMENT ARGS...
	local file=$folder/$1 comment=$2
	shift 2
	{
		printf '%s\n' '# Rendered from charts/tagseal: `make manifests`. Do not edit.' "$comment"
		"$helm" template tagseal charts/tagseal --namespace tagseal-system --set image.repository=registry.example.com/tagseal "$@" | grep -v '^# Source: ' | cat -s
	} >"$file"
}

render install.yaml $'# All of tagseal, in one go. It needs your image in it first:\n#   sed \'s#registry.example.com/tagseal:#REGISTRY/tagseal:#\' install.yaml | kubectl apply --server-side -f -\n# As it is, no replica can start, and covered namespaces refuse new pods.' --set namespace.create=true
render pull-secrets.yaml '# The right to read pull secrets in every namespace, for policies with `credentials: {imagePullSecrets: true}`.' \
	--set pullSecrets.access=Cluster --show-only templates/pull-secrets.yaml
