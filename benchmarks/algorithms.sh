#!/usr/bin/env bash
# Every base algorithm on MT10 with equal frames, at settings that learn on a CPU (docs/algorithms.md). Metrics and configurations
# go to OUT, logs to OUT/log, runs to runs/mt10_*.
#   bash benchmarks/algorithms.sh OUT FRAMES [SEEDS="1 2"] [ALGORITHMS="MTPPO TOPPO ..."] [further overrides of train.py ...]
# Stopped and started again, it continues where it was; runs whose metrics are in OUT are done. Several of these go side by side
# with other seeds or algorithms; give each its core: taskset -c 0 ... task.sim.num_threads=1 train.params.torch_threads=1
#   python -m mtbench.evaluation.report OUT/*.csv out=OUT/report
set -euo pipefail
trap 'exit 130' INT # train.py saves and ends well when it is stopped; what follows it must not begin
out=$1 frames=$2 seeds=${3:-1 2} algorithms=${4:-MTPPO TOPPO MTGRPO MTSAC ARS MTPQN FastTD3}
shift $(($# < 4 ? $# : 4))
mkdir -p "$out/log"
c=train.params.config
replay="num_envs=96 $c.gradient_steps_per_itr=3 $c.batch_size=320 $c.nstep=4" # an update for 32 transitions, 32 of each task

groups="$c.group_size=8 $c.same_start=true $c.per_step=true"
layer_norm="actor.layer_norm=true critic.layer_norm=true"

settings() {
  case $1 in
    MTSAC) echo "$replay" ;;
    ARS) echo "$replay $c.reset_interval=null" ;; # its 5 million frames are beyond such a run
    FastTD3) echo "$replay $c.warmup_steps=150 $c.policy_noise=0.1 $c.std_max=0.8 $layer_norm critic.units=[512,256,128]" ;;
    MTPQN) echo "num_envs=128 $c.exploration_fraction=0.3 $c.end_e=0.05 $c.learning_rate=1e-3 $c.reward_shaper.scale_value=0.1" ;;
    MTGRPO) echo "num_envs=160 $groups $c.entropy_coef=0 train.params.network.init_log_std=-0.7" ;;
    *) echo "" ;; # as configured
  esac
}

for seed in $seeds; do
  for algorithm in $algorithms; do
    name=${algorithm}_s$seed
    last=runs/mt10_$name/nn/last.pth
    [ ! -f "$out/$name.csv" ] || continue
    # shellcheck disable=SC2046  # several settings
    python train.py task=MT10 "train=$algorithm" "seed=$seed" "experiment=mt10_$name" "max_frames=$frames" eval_interval=50_000 \
      eval_goals=20 $(settings "$algorithm") $([ -f "$last" ] && echo "checkpoint=$last") "$@" >>"$out/log/$name.log" 2>&1 ||
      { echo "$name failed, see $out/log/$name.log" && continue; }
    cp "runs/mt10_$name/metrics.csv" "$out/$name.csv"
    cp "runs/mt10_$name/config.yaml" "$out/$name.yaml"
  done
done
