# A Notary v1 server for docs/kind.md. Debian's package is patched: a server built from the last release by any Go since
# 1.17 refuses every delegation.
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends notary \
    && rm -rf /var/lib/apt/lists/*
USER 65532:65532
ENTRYPOINT ["notary-server"]
