# Copyright The scim-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# An image that holds one static binary, the CA certificates and nothing else.
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=v0.1.0 .
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS TARGETARCH VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY api ./api
COPY cmd ./cmd
COPY controllers ./controllers
COPY internal ./internal
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /scim-operator ./cmd

FROM scratch
ARG VERSION=dev
LABEL org.opencontainers.image.title="scim-operator" \
      org.opencontainers.image.description="Identity as Kubernetes resources: SCIM in, app accounts out" \
      org.opencontainers.image.source="https://github.com/scim-operator/scim-operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /scim-operator /scim-operator
# The user "nonroot" of other minimal images. A number, so that runAsNonRoot can be checked.
USER 65532:65532
ENTRYPOINT ["/scim-operator"]
