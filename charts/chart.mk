# The chart: what is made of it (`manifests`, `chart-readme`, `chart-crds`), and what is checked (`chart`).

CHART := charts/tagseal
HELM = $(firstword $(wildcard $(addsuffix /helm,$(KUBEBUILDER_ASSETS) $(TOOLS_DIR))))
KUBECONFORM = $(firstword $(wildcard $(addsuffix /kubeconform,$(KUBEBUILDER_ASSETS) $(TOOLS_DIR))))

.PHONY: chart-crds
chart-crds: ## copy crds/ into the chart
	@rm -f $(CHART)/files/crds/*.yaml && cp crds/*.yaml $(CHART)/files/crds/

.PHONY: chart-readme
chart-readme: ## write the table of values in the chart's README
	TAGSEAL_WRITE=1 $(CARGO) test --locked --test it chart::readme

.PHONY: manifests
manifests: chart-tools chart-crds ## render manifests/ from the chart
	@charts/render.sh manifests $(HELM)

.PHONY: chart
chart: chart-tools ## lint the chart, render it in every manner, check what comes out
	$(call step,chart)
	charts/check.sh $(HELM) $(KUBECONFORM) $(SCHEMAS)
