#!/usr/bin/env bash
# Puts the CRDs of cert-manager and of the Prometheus Operator, out of their Go modules whose sums are pinned here, into a cache of the
# user's; prints that folder.
set -euo pipefail

modules=(
  "github.com/cert-manager/cert-manager@v1.19.1 h1:Txh8L/nLWTDcb7ZnXuXbTe15BxQnLbLirXmbNk0fGgY= deploy/crds cert-manager.io_certificates cert-manager.io_issuers"
  "github.com/prometheus-operator/prometheus-operator@v0.85.0 h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s= example/prometheus-operator-crd monitoring.coreos.com_podmonitors monitoring.coreos.com_prometheusrules"
)
key=$(printf '%s\n' "${modules[@]}" | sha256sum | cut -c1-16)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/ingress-authz/foreign-crds-$key
if [ -d "$folder" ]; then echo "$folder"; exit 0; fi
command -v go >/dev/null || { echo "Go 1.26 or newer is needed to fetch CRDs out of Go modules (https://go.dev/dl)" >&2; exit 1; }

rm -rf "$folder.new"
mkdir -p "$folder.new"
for line in "${modules[@]}"; do
  read -r module sum place names <<<"$line"
  said=$(cd / && GOTOOLCHAIN=local go mod download -json "$module") || { echo "$said" >&2; exit 1; }
  field() { sed -n "s/^\t\"$1\": \"\(.*\)\",\{0,1\}$/\1/p" <<<"$said"; }
  [ "$(field Sum)" = "$sum" ] || { echo "$module is not what is pinned here" >&2; exit 1; }
  for name in $names; do cp "$(field Dir)/$place/$name.yaml" "$folder.new/"; done
done
chmod -R u+w "$folder.new"
mv "$folder.new" "$folder"
echo "$folder"
