# Copyright The scim-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# An image that holds one static binary, the CA certificates and nothing else.
#   make docker-build IMG=registry.example.com/scim-operator:0.1.0 PLATFORMS=linux/amd64,linux/arm64 VERSION=0.1.0 BUILDX_FLAGS=--push
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETARCH VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY Makefile ./
COPY api ./api
COPY cmd ./cmd
COPY controllers ./controllers
COPY internal ./internal
# Go compiles for any platform: no emulation.
RUN make image-binary GOARCH=$TARGETARCH VERSION=$VERSION

FROM scratch
ARG TARGETARCH VERSION=dev
LABEL org.opencontainers.image.title="scim-operator" \
      org.opencontainers.image.description="Identity as Kubernetes resources: SCIM in, app accounts out" \
      org.opencontainers.image.url="https://github.com/scim-operator/scim-operator" \
      org.opencontainers.image.documentation="https://github.com/scim-operator/scim-operator/tree/main/docs" \
      org.opencontainers.image.source="https://github.com/scim-operator/scim-operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/bin/manager-linux-$TARGETARCH /scim-operator
# The user "nonroot" of other minimal images. A number, so that runAsNonRoot can be checked.
USER 65532:65532
ENTRYPOINT ["/scim-operator"]
