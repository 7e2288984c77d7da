#!/usr/bin/env bash
# Builds the control plane that `make test-cluster` uses: kube-apiserver, etcd, kubectl, helm. Minutes, and 8 GB of Go caches.
# The binaries go to a cache of the user's, by the versions in go.mod; prints that folder. Nothing is built twice.
# With --where it only prints the folder.
set -euo pipefail
cd "$(dirname "$0")"
export GOFLAGS=-mod=readonly CGO_ENABLED=0 GOTOOLCHAIN=local

helm=v4.2.4
key=$(sha256sum go.mod go.sum build.sh | sha256sum | cut -c1-16)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/ingress-authz/control-plane-$key
if [ -f "$folder/complete" ] || [ "${1:-}" = --where ]; then echo "$folder"; exit 0; fi
command -v go >/dev/null || { echo "Go 1.26 or newer is needed to build the control plane (https://go.dev/dl)" >&2; exit 1; }
mkdir -p "$folder"

kubernetes=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
IFS=. read -r major minor _ <<<"${kubernetes#v}"
package=k8s.io/component-base/version
# Helm compares the server's version with a chart's kubeVersion, so the binaries must know their own.
flags="-s -w -X $package.gitVersion=$kubernetes -X $package.gitMajor=$major -X $package.gitMinor=$minor"
flags+=" -X $package.gitTreeState=clean -X $package.gitCommit=unknown -X $package.buildDate=2026-01-01T00:00:00Z"

echo "building etcd, kubectl, kube-apiserver $kubernetes and helm $helm into $folder" >&2
go build -trimpath -ldflags "-s -w" -o "$folder/etcd" go.etcd.io/etcd/server/v3 >&2
go build -trimpath -ldflags "$flags" -o "$folder/kubectl" k8s.io/kubernetes/cmd/kubectl >&2
go build -trimpath -ldflags "$flags" -o "$folder/kube-apiserver" k8s.io/kubernetes/cmd/kube-apiserver >&2
(cd /tmp && GOFLAGS= GOBIN="$folder" go install -trimpath -ldflags "-s -w" "helm.sh/helm/v4/cmd/helm@$helm") >&2
touch "$folder/complete"
echo "$folder"
