#!/usr/bin/env bash
# Parkour from the walking checkpoint: ParkourEasy, and ParkourHardCL beside ParkourHard at equal frames, each evaluated on 200
# terrains (docs/parkour.md). Curves, configurations and evaluations go to OUT, logs to OUT/log, runs to runs/parkour_*.
#   bash benchmarks/parkour.sh OUT EASY_FRAMES HARD_FRAMES [SETS="easy hard_cl hard"] [overrides of train.py ...]
# Stopped and started again, it continues where it was. Several of these go side by side with other sets; give each its core:
# taskset -c 0 ... task.sim.num_threads=1 train.params.torch_threads=1
set -euo pipefail
trap 'exit 130' INT # train.py saves and ends well when it is stopped; what follows it must not begin
out=$1 easy=$2 hard=$3 sets=${4:-easy hard_cl hard}
shift $(($# < 4 ? $# : 4))
mkdir -p "$out/log"
c=train.params.config
# For a CPU: fewer environments and passes than MTBench's, a rate that their noisier gradients bear, and little exploration: with
# 0.2 rad (init_log_std=-1.6) a robot falls off beams that it could cross, and learns to wait before them.
small="train=MTPPO_parkour schedule.mini_epochs=2 schedule.num_minibatches=4 train.params.network.init_log_std=-2.2"
small="$small $c.learning_rate=1e-4 $c.kl_threshold=0.016"
# In 2000 steps all goals are in reach at any commanded speed; in 800 most are not, and a curriculum does not leave level 0.
long="num_envs=200 schedule.horizon_length=64 task.env.episodeLength=2000"

for set in $sets; do
  case $set in
    easy) task=ParkourEasy test=ParkourEasy frames=$easy size="num_envs=400 schedule.horizon_length=32" ;;
    hard) task=ParkourHard test=ParkourHard frames=$hard size=$long ;;
    hard_cl) task=ParkourHardCL test=ParkourHard frames=$hard size=$long ;;
    *) echo "there is no set $set; there are easy, hard and hard_cl" && exit 2 ;;
  esac
  run=parkour_$set
  last=runs/$run/nn/last.pth
  from=$([ -f "$last" ] && echo "checkpoint=$last" || echo "pretrained=assets/go1/walking.pth")
  # shellcheck disable=SC2086  # several settings
  python train.py "task=$task" $small $size seed=1 "experiment=$run" "max_frames=$frames" eval_interval=null "$from" "$@" \
    >>"$out/log/$set.log" 2>&1
  # Ten episodes on each of 200 terrains; and with episodes of 2000 steps one.
  for protocol in "800 100" "2000 10"; do
    read -r length episodes <<<"$protocol"
    # shellcheck disable=SC2086
    python train.py "task=$test" $small num_envs=200 "task.env.episodeLength=$length" test=True "eval_goals=$episodes" \
      "experiment=${run}_test" "checkpoint=$last" "$@" >>"$out/log/$set.log" 2>&1
    cp "runs/${run}_test/evaluation.csv" "$out/$set.$length.csv"
  done
done
python benchmarks/parkour.py "$out" $(for set in $sets; do echo "runs/parkour_$set"; done)
