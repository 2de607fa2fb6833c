#!/usr/bin/env bash
# Learning on a task set: TOPPO and MT-PPO, one run a scheme and seed, each with a wall-clock limit; metrics and configs to OUT.
#   bash benchmarks/learning.sh MT10 OUT MINUTES [SEEDS="1 2"] [further overrides of train.py ...]
# A run that was cut off continues where it stopped when the script is started again.
set -euo pipefail
task=$1 out=$2 minutes=$3 seeds=${4:-1 2}
shift $(($# < 4 ? $# : 4))
mkdir -p "$out"
for seed in $seeds; do
  for scheme in TOPPO MTPPO; do
    name=${task,,}_${scheme}_s$seed
    last=runs/$name/nn/last.pth
    python train.py "task=$task" "train=$scheme" "seed=$seed" "experiment=$name" "max_minutes=$minutes" \
      $([ -f "$last" ] && echo "checkpoint=$last") "$@"
    cp "runs/$name/metrics.csv" "$out/$name.csv"
    cp "runs/$name/config.yaml" "$out/$name.yaml"
  done
done
