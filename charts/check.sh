#!/usr/bin/env bash
# Checks the chart: it lints, what it renders conforms to the schemas, a misspelt value is an error, and what is committed
# is what it renders.
#   check.sh HELM KUBECONFORM SCHEMAS
set -euo pipefail
cd "$(dirname "$0")/.."
helm=$1 kubeconform=$2 schemas=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

conforms() { # FILE...
	"$kubeconform" -strict -schema-location "$schemas/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json" "$@"
}

# Every manner of installing, each a file of values.
for values in charts/testdata/*.yaml; do
	name=$(basename "$values" .yaml)
	"$helm" lint --strict --quiet charts/tagseal --values "$values"
	"$helm" template tagseal charts/tagseal --namespace tagseal-system --values "$values" >"$work/$name.yaml"
	conforms "$work/$name.yaml" || fail "$name: what is rendered does not conform"
	# Of a webhook's clientConfig, that is; the CRDs have such a property too, further in.
	if grep -nE '^ {0,8}caBundle:' "$work/$name.yaml"; then
		fail "$name: caBundle is the controller's"
	fi
done

# What the schemas are for: they have to refuse.
sed 's/terminationGracePeriodSeconds/terminationGracePeriod/' "$work/defaults.yaml" >"$work/misspelt.yaml"
conforms "$work/misspelt.yaml" >/dev/null && fail 'kubeconform passes a misspelt field'

# Values that must not pass, with the path that the message has to name.
while read -r path value; do
	if "$helm" template tagseal charts/tagseal --set-json "$value" >/dev/null 2>"$work/errors"; then
		fail "values pass: $value"
	fi
	grep -qF "at '${path#.}'" "$work/errors" || fail "$value: $(cat "$work/errors")"
done <charts/testdata/refused.txt

# Values that are right each by itself, and the words that helm has to say.
while IFS='|' read -r value words; do
	if "$helm" template tagseal charts/tagseal --values charts/testdata/defaults.yaml --set-json "$value" >/dev/null 2>"$work/errors"; then
		fail "values pass: $value"
	fi
	grep -qF -- "$words" "$work/errors" || fail "$value: $(cat "$work/errors")"
done <charts/testdata/failed.txt

# Values that become arguments of `tagseal serve`: what passes here is what it takes (tests/chart/arguments.rs).
while read -r what value argument; do
	if "$helm" template tagseal charts/tagseal --values charts/testdata/defaults.yaml --set-json "$value" >"$work/rendered" 2>"$work/errors"; then
		[ "$what" = passes ] || fail "values pass: $value"
		grep -qF -- "$argument" "$work/rendered" || fail "$value does not become $argument"
	else
		[ "$what" = refused ] || fail "$value: $(cat "$work/errors")"
	fi
done <charts/testdata/arguments.txt

diff -r crds charts/tagseal/files/crds || fail 'the chart has other CRDs than crds/: run `make chart-crds`'
mkdir "$work/manifests"
charts/render.sh "$work/manifests" "$helm"
for file in "$work"/manifests/*; do
	diff "manifests/$(basename "$file")" "$file" || fail "manifests/$(basename "$file") is not what the chart renders: run \`make manifests\`"
done
conforms manifests/install.yaml manifests/pull-secrets.yaml manifests/samples manifests/kind/*.yaml || fail 'manifests/ does not conform'
