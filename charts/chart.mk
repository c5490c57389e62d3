# The chart: what is made of it (`manifests`, `chart-readme`, `chart-crds`), and what is checked (`chart`).

CHART := charts/tagseal
# Looked for when they are needed, not when make reads this: they may be built in between.
find_tool = $$(for dir in $(KUBEBUILDER_ASSETS) $(TOOLS_DIR); do [ ! -x $$dir/$(1) ] || { echo $$dir/$(1); break; }; done)

.PHONY: chart-crds
chart-crds: ## copy crds/ into the chart
	@rm -f $(CHART)/files/crds/*.yaml && cp crds/*.yaml $(CHART)/files/crds/

.PHONY: chart-readme
chart-readme: ## write the table of values in the chart's README
	TAGSEAL_WRITE=1 $(CARGO) test --locked --test it chart::readme

.PHONY: manifests
manifests: chart-tools chart-crds ## render manifests/ from the chart
	@charts/render.sh manifests "$(call find_tool,helm)"

.PHONY: chart
chart: chart-tools ## lint the chart, render it in every manner, check what comes out
	$(call step,chart)
	@charts/check.sh "$(call find_tool,helm)" "$(call find_tool,kubeconform)" $(SCHEMAS)
