# syntax=docker/dockerfile:1
# tagseal's image: one static binary, the system's certificate authorities, and nothing else. For two architectures:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --tag registry.example.com/tagseal:0.1.0 --push .
#
# Each is built as its own platform, so there is no cross compiler: on a node of that architecture, or emulated.
# A tag says what somebody means; give a digest to say which builder: --build-arg RUST=rust:1.95-alpine@sha256:…
ARG RUST=rust:1.95-alpine

FROM ${RUST} AS build
ARG TARGETARCH
# Alpine's own target is musl, linked statically. ring and mimalloc are C, and need its headers.
RUN apk add --no-cache ca-certificates musl-dev
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,id=tagseal-target-${TARGETARCH} \
    cargo build --locked --release --bin tagseal \
    && install -D target/release/tagseal /out/tagseal

# The end-to-end suite puts its image together by what this stage says, and runs it.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/tagseal /tagseal
USER 65532:65532
EXPOSE 8443 8080
LABEL org.opencontainers.image.title="tagseal" org.opencontainers.image.licenses="Apache-2.0"
ENTRYPOINT ["/tagseal"]
