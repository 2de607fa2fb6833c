#!/usr/bin/env bash
# Keep what runs have shown so far: metrics, configuration and, where there are any, task gradients, as OUT/<run>.*
#   bash benchmarks/keep.sh OUT runs/A runs/B ...
set -euo pipefail
out=$1
shift
mkdir -p "$out"
for run in "$@"; do
  name=$(basename "$run")
  for file in metrics.csv config.yaml gradients.npz; do
    [ ! -f "$run/$file" ] || cp "$run/$file" "$out/$name.$file"
  done
done
