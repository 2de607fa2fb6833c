#!/usr/bin/env bash
# Learning on MT10: TOPPO and MT-PPO, one run a scheme and seed, each with a wall-clock limit; metrics and configs to OUT.
#   bash benchmarks/learning_mt10.sh OUT MINUTES [SEEDS="1 2"] [further overrides of train.py ...]
# A run that was cut off continues where it stopped when the script is started again.
set -euo pipefail
out=$1 minutes=$2 seeds=${3:-1 2}
shift $(($# < 3 ? $# : 3))
mkdir -p "$out"
for seed in $seeds; do
  for scheme in TOPPO MTPPO; do
    name=mt10_${scheme}_s$seed
    last=runs/$name/nn/last.pth
    python train.py task=MT10 "train=$scheme" "seed=$seed" "experiment=$name" "max_minutes=$minutes" \
      $([ -f "$last" ] && echo "checkpoint=$last") "$@"
    cp "runs/$name/metrics.csv" "$out/$name.csv"
    cp "runs/$name/config.yaml" "$out/$name.yaml"
  done
done
