#!/usr/bin/env bash
# Builds the two gateways that `make test-gateways` uses, Envoy Gateway and Contour, and puts the CRDs of the gateways in examples/
# beside them. Minutes, and 5 GB of Go caches.
# They go to a cache of the user's, by the versions in */go.mod; prints that folder. Nothing is built twice.
# With --where it only prints the folder.
set -euo pipefail
cd "$(dirname "$0")"
export GOFLAGS=-mod=readonly CGO_ENABLED=0 GOTOOLCHAIN=local

key=$(cat build.sh crds.txt ./*/go.mod ./*/go.sum | sha256sum | cut -c1-16)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/ingress-authz/gateways-$key
if [ -f "$folder/complete" ] || [ "${1:-}" = --where ]; then echo "$folder"; exit 0; fi
command -v go >/dev/null || { echo "Go 1.26.7 or newer is needed to build the gateways (https://go.dev/dl)" >&2; exit 1; }
mkdir -p "$folder/crds"

build() {  # MODULE-FOLDER PACKAGE
  echo "building $1 $(cd "$1" && go list -m -f '{{.Version}}' "${2%/cmd/*}") into $folder" >&2
  (cd "$1" && go build -trimpath -ldflags "-s -w" -o "$folder/$1" "$2") >&2
}
field() { sed -n "s/^\t\"$1\": \"\(.*\)\",\{0,1\}$/\1/p"; }

build envoy-gateway github.com/envoyproxy/gateway/cmd/envoy-gateway
build contour github.com/projectcontour/contour/cmd/contour

# What kind of object each gateway takes: out of its module's zip, whose sum is pinned, and never into the repository.
while read -r name module version sum path; do
  case $name in ''|'#'*) continue ;; esac
  said=$(cd / && GOFLAGS=-mod=mod go mod download -json "$module@$version") || { echo "$said" >&2; exit 1; }
  [ "$(field Sum <<<"$said")" = "$sum" ] || { echo "$module@$version is not what crds.txt pins" >&2; exit 1; }
  rm -rf "$folder/crds/$name"
  mkdir "$folder/crds/$name"
  from="$(field Dir <<<"$said")/$path"
  find "$from" -type f -name '*.yaml' -exec cp {} "$folder/crds/$name/" \;
  chmod -R u+w "$folder/crds/$name"
done <crds.txt
touch "$folder/complete"
echo "$folder"
