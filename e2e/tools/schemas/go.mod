module tagseal.dev/e2e/tools/schemas

go 1.26.0

require sigs.k8s.io/yaml v1.6.0

require (
	go.yaml.in/yaml/v2 v2.4.2 // indirect
)

// Only for the definitions of their custom resources: nothing imports them, and `go mod tidy` would drop them.
require (
	github.com/cert-manager/cert-manager v1.19.1
	github.com/prometheus-operator/prometheus-operator v0.85.0
)
