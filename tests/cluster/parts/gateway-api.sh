#!/usr/bin/env bash
# Puts the CRDs of Gateway API, out of its Go module whose sum is pinned here, into a cache of the user's; prints that folder.
# With --where it only prints the folder.
set -euo pipefail
cd "$(dirname "$0")"

version=v1.6.1
sum="h1:mock6phZbI6rvZerwrVNk7hVNymQgHo+6sJ81Ia7ftY="
folder=${XDG_CACHE_HOME:-$HOME/.cache}/ingress-authz/gateway-api-$version
if [ -d "$folder" ] || [ "${1:-}" = --where ]; then echo "$folder"; exit 0; fi
command -v go >/dev/null || { echo "Go 1.26 or newer is needed to fetch Gateway API's CRDs (https://go.dev/dl)" >&2; exit 1; }

said=$(cd / && GOTOOLCHAIN=local go mod download -json "sigs.k8s.io/gateway-api@$version") || { echo "$said" >&2; exit 1; }
field() { sed -n "s/^\t\"$1\": \"\(.*\)\",\{0,1\}$/\1/p" <<<"$said"; }
[ "$(field Sum)" = "$sum" ] || { echo "sigs.k8s.io/gateway-api@$version is not what is pinned here" >&2; exit 1; }
rm -rf "$folder.new"
mkdir -p "$folder.new"
find "$(field Dir)/config/crd/standard" -name '*.yaml' -exec cp {} "$folder.new/" \;
chmod -R u+w "$folder.new"
mv "$folder.new" "$folder"
echo "$folder"
