#!/usr/bin/env bash
# Keep what runs have shown so far, in the form that `mtbench report OUT` reads: metrics, configuration and, where there are any, task
# gradients, as OUT/<scheme>_s<seed>.csv, .yaml and .gradients.npz
#   bash benchmarks/keep.sh OUT runs/A runs/B ...
set -euo pipefail
out=$1
shift
mkdir -p "$out"
for run in "$@"; do
  name=$(sed -n 's/^train_name: //p' "$run/config.yaml")_s$(sed -n 's/^seed: //p' "$run/config.yaml")
  cp "$run/config.yaml" "$out/$name.yaml"
  cp "$run/metrics.csv" "$out/$name.csv"
  [ ! -f "$run/gradients.npz" ] || cp "$run/gradients.npz" "$out/$name.gradients.npz"
done
