#!/usr/bin/env bash
# The ablation ladder of the TOPPO paper on MT10: vanilla, +LN-c, +PopArt, +FG-c, +PCGrad-a, each with all before it. Every run
# records its task gradients; metrics, records and configurations go to OUT, logs to OUT/log, checkpoints to runs/ladder_*.
#   [JOBS=1] bash benchmarks/ladder.sh OUT FRAMES [SEEDS="1 2"] [further overrides of train.py ...]
# JOBS runs go side by side; give each a thread then: OMP_NUM_THREADS=1 ... task.sim.num_threads=1 train.params.torch_threads=1
# All rungs of one seed come before the next seed. Stopped and started again, it continues where it was; runs whose metrics are in
# OUT are done. Table and plots:
#   python benchmarks/ladder.py OUT
set -euo pipefail
set -m # each run its own process group, so that stopping this script stops them
out=$1 frames=$2 seeds=${3:-1 2}
shift $(($# < 3 ? $# : 3))
mkdir -p "$out/log"

# Every rung clips values and computes advantages anew before each pass, as the paper's. The paper's baseline has its loss
# coefficient for raw returns; PopArt's targets have unit scale, and so a coefficient of 1.
raw="train=MTPPO_paper"
as_paper="schedule.clip_value=true schedule.recompute_advantages=true"
popart="train=MTPPO $as_paper critic.layer_norm=true value_norm=popart"
rungs=(
  "0_vanilla   $raw"
  "1_LN-c      $raw critic.layer_norm=true"
  "2_PopArt    $popart"
  "3_FG-c      $popart balancing.critic=fairgrad"
  "4_PCGrad-a  $popart balancing.critic=fairgrad balancing.actor=pcgrad"
  # Not a rung: PopArt without LayerNorm, which is where the paper takes its cosines without LN-c from (its section D.2).
  "x_PopArt-alone train=MTPPO $as_paper value_norm=popart"
)

climb() { # name, overrides of train.py
  local name=$1 run=runs/ladder_$1
  shift
  [ ! -f "$out/$name.csv" ] || return 0
  python train.py task=MT10 "experiment=ladder_$name" "max_frames=$frames" eval_interval=250_000 eval_goals=20 \
    diagnose_interval=50_000 $([ -f "$run/nn/last.pth" ] && echo "checkpoint=$run/nn/last.pth") "$@" >>"$out/log/$name.log" 2>&1 ||
    { echo "$name failed, see $out/log/$name.log" && return 1; }
  cp "$run/config.yaml" "$out/$name.yaml" && cp "$run/gradients.npz" "$out/$name.gradients.npz" && cp "$run/metrics.csv" "$out/$name.csv"
}

stop() { for job in $(jobs -p); do kill -- "-$job"; done && wait && exit 143; }
trap stop INT TERM
failed=0
for seed in $seeds; do
  for rung in "${rungs[@]}"; do
    read -r name overrides <<<"$rung"
    while [ "$(jobs -rp | wc -l)" -ge "${JOBS:-1}" ]; do wait -n || failed=1; done
    climb "${name}_s$seed" "seed=$seed" $overrides "$@" &
  done
done
while [ -n "$(jobs -rp)" ]; do wait -n || failed=1; done
exit $failed
