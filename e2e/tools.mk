# Builds what the end-to-end suite runs against: `tools` leaves etcd, kube-apiserver, kube-controller-manager, kubectl,
# helm, kustomize, a registry and argo-diff (a program of our own around Argo CD's diff engine) in $(TOOLS_DIR), built from
# the versions that e2e/tools/*/go.mod pin, and docker's command line out of Debian's package; and sees to it that notary,
# notary-server and xmllint are installed. A tool that
# KUBEBUILDER_ASSETS already has is taken from there and not built.
# `chart-tools` is what checks the chart: helm, kubeconform, and schemas for it.

TOOLS_DIR ?= $(CURDIR)/target/tools
GO ?= go
E2E_TOOLS := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))/tools

# The stamps carry a checksum of the pins, and of a program of our own, so that neither a fresh clone nor another branch
# builds again what is there.
tools_sum = $(shell cat $(E2E_TOOLS)/$(1)/go.mod $(E2E_TOOLS)/$(1)/go.sum $(wildcard $(E2E_TOOLS)/$(1)/*.go) | sha256sum | cut -c1-16)
tools_wanted = $(strip $(foreach tool,$(1),$(if $(KUBEBUILDER_ASSETS),$(if $(wildcard $(KUBEBUILDER_ASSETS)/$(tool)),,$(tool)),$(tool))))
rebuild_if_absent = $(if $(filter-out $(notdir $(wildcard $(addprefix $(TOOLS_DIR)/,$(1)))),$(1)),absent-tool)

ARGO_TOOLS := $(call tools_wanted,argo-diff)
KUBERNETES_TOOLS := $(call tools_wanted,kube-apiserver kube-controller-manager kubectl)
ETCD_TOOLS := $(call tools_wanted,etcd)
HELM_TOOLS := $(call tools_wanted,helm kubeconform)
KUSTOMIZE_TOOLS := $(call tools_wanted,kustomize)
REGISTRY_TOOLS := $(call tools_wanted,registry)
HELM_PACKAGES := helm.sh/helm/v4/cmd/helm github.com/yannh/kubeconform/cmd/kubeconform
ARGO_STAMP := $(TOOLS_DIR)/.argo-$(call tools_sum,argo)
KUBERNETES_STAMP := $(TOOLS_DIR)/.kubernetes-$(call tools_sum,kubernetes)
ETCD_STAMP := $(TOOLS_DIR)/.etcd-$(call tools_sum,etcd)
HELM_STAMP := $(TOOLS_DIR)/.helm-$(call tools_sum,helm)
KUSTOMIZE_STAMP := $(TOOLS_DIR)/.kustomize-$(call tools_sum,kustomize)
REGISTRY_STAMP := $(TOOLS_DIR)/.registry-$(call tools_sum,registry)

# Without its version strings the server calls itself v0.0.0, and clients that check versions complain.
KUBERNETES_VERSION := $(shell sed -nE 's|^.*k8s.io/kubernetes (v[0-9.]+).*|\1|p' $(E2E_TOOLS)/kubernetes/go.mod)
KUBERNETES_LDFLAGS := -s -w \
	-X k8s.io/component-base/version.gitVersion=$(KUBERNETES_VERSION) \
	-X k8s.io/component-base/version.gitMajor=$(word 1,$(subst ., ,$(KUBERNETES_VERSION:v%=%))) \
	-X k8s.io/component-base/version.gitMinor=$(word 2,$(subst ., ,$(KUBERNETES_VERSION:v%=%)))

.PHONY: tools
tools: $(if $(ETCD_TOOLS),$(ETCD_STAMP)) $(if $(KUBERNETES_TOOLS),$(KUBERNETES_STAMP)) $(if $(HELM_TOOLS),$(HELM_STAMP)) \
	$(if $(KUSTOMIZE_TOOLS),$(KUSTOMIZE_STAMP)) $(if $(REGISTRY_TOOLS),$(REGISTRY_STAMP)) $(if $(ARGO_TOOLS),$(ARGO_STAMP)) \
	notary docker ## what the end-to-end suite runs against

$(ARGO_STAMP): $(call rebuild_if_absent,$(ARGO_TOOLS)) | $(TOOLS_DIR) go
	cd $(E2E_TOOLS)/argo && $(GO) build -ldflags '-s -w' -o $(TOOLS_DIR)/argo-diff .
	@rm -f $(TOOLS_DIR)/.argo-* && touch $@

$(ETCD_STAMP): $(call rebuild_if_absent,$(ETCD_TOOLS)) | $(TOOLS_DIR) go
	cd $(E2E_TOOLS)/etcd && $(GO) build -o $(TOOLS_DIR)/etcd go.etcd.io/etcd/server/v3
	@rm -f $(TOOLS_DIR)/.etcd-* && touch $@

$(KUBERNETES_STAMP): $(call rebuild_if_absent,$(KUBERNETES_TOOLS)) | $(TOOLS_DIR) go
	cd $(E2E_TOOLS)/kubernetes && $(GO) build -ldflags '$(KUBERNETES_LDFLAGS)' -o $(TOOLS_DIR)/ \
		$(addprefix k8s.io/kubernetes/cmd/,$(KUBERNETES_TOOLS))
	@rm -f $(TOOLS_DIR)/.kubernetes-* && touch $@

$(HELM_STAMP): $(call rebuild_if_absent,$(HELM_TOOLS)) | $(TOOLS_DIR) go
	cd $(E2E_TOOLS)/helm && $(GO) build -ldflags '-s -w' -o $(TOOLS_DIR)/ $(filter $(addprefix %/,$(HELM_TOOLS)),$(HELM_PACKAGES))
	@rm -f $(TOOLS_DIR)/.helm-* && touch $@

$(KUSTOMIZE_STAMP): $(call rebuild_if_absent,$(KUSTOMIZE_TOOLS)) | $(TOOLS_DIR) go
	cd $(E2E_TOOLS)/kustomize && $(GO) build -ldflags '-s -w' -o $(TOOLS_DIR)/kustomize sigs.k8s.io/kustomize/kustomize/v5
	@rm -f $(TOOLS_DIR)/.kustomize-* && touch $@

$(REGISTRY_STAMP): $(call rebuild_if_absent,$(REGISTRY_TOOLS)) | $(TOOLS_DIR) go
	cd $(E2E_TOOLS)/registry && $(GO) build -ldflags '-s -w' -o $(TOOLS_DIR)/ github.com/distribution/distribution/v3/cmd/registry
	@rm -f $(TOOLS_DIR)/.registry-* && touch $@

.PHONY: chart-tools
chart-tools: $(if $(HELM_TOOLS),$(HELM_STAMP)) schemas

# Made anew each time: it takes a second, once the modules are there. Of Kubernetes it is the very version that the suite
# runs; cert-manager and the Prometheus operator are modules for the sake of their CRDs.
SCHEMAS := $(TOOLS_DIR)/schemas
SCHEMA_CRDS := cert-manager/cert-manager/deploy/crds/cert-manager.io_certificates.yaml \
	cert-manager/cert-manager/deploy/crds/cert-manager.io_issuers.yaml \
	prometheus-operator/prometheus-operator/example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml \
	prometheus-operator/prometheus-operator/example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml

.PHONY: schemas
schemas: | $(TOOLS_DIR) go
	@rm -rf $(SCHEMAS)
	@module() { (cd $(E2E_TOOLS)/$$1 && $(GO) mod download "$$2" && $(GO) list -m -f '{{.Dir}}' "$$2"); }; \
	swagger=$$(module kubernetes k8s.io/kubernetes)/api/openapi-spec/swagger.json; \
	crds=(); \
	for crd in $(SCHEMA_CRDS); do \
		project=$$(cut -d/ -f1-2 <<<"$$crd"); \
		crds+=("$$(module schemas "github.com/$$project")/$${crd#"$$project"/}"); \
	done; \
	cd $(E2E_TOOLS)/schemas && $(GO) run . $(SCHEMAS) "$$swagger" "$${crds[@]}" $(CURDIR)/crds/*.yaml

.PHONY: go absent-tool
absent-tool:
go:
	@command -v $(GO) >/dev/null \
		|| { echo 'error: $(GO) is needed to build the end-to-end tools (https://go.dev/dl)' >&2; exit 1; }

$(TOOLS_DIR):
	@mkdir -p $@

# Only Debian's package will do: it is patched, while the module's own server, built with any Go since 1.17, refuses
# every delegation (INVALID_ROLE).
.PHONY: notary
notary:
	@$(E2E_TOOLS)/install-notary.sh

.PHONY: docker
docker: | $(TOOLS_DIR)
	@$(E2E_TOOLS)/install-docker.sh $(TOOLS_DIR)
