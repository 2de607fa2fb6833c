#!/usr/bin/env bash
# Offline learners on graded data, as runs/offline_*, kept in OUT for `mtbench report` and `python benchmarks/offline.py OUT`.
#   bash benchmarks/offline.sh PART OUT [SEEDS="1 2 3"] [further overrides of train.py ...]
# PART is one of
#   mt5      MTBC, MTDT, Prompt-DT and HarmoDT-R/M/F on the sub-optimal half of MT5
#   mt10     MTBC and Prompt-DT on MT10, near-optimal and sub-optimal
#   schemes  Prompt-DT with FairGrad and PCGrad on MT5, beside HarmoDT
#   prior    TOPPO from MTBC on MT10, with and without the fading cloning term
#   prompt   Prompt-DT of MT10 shown button_press_topdown_wall, without learning from it
# What is complete is skipped, what was interrupted continues. Data is collected once, into datasets/.
set -euo pipefail
part=$1 out=$2 seeds=${3:-1 2 3}
shift $(($# < 3 ? $# : 3))
mkdir -p "$out/log"
mt5="task=MT50 task_id=[basketball,bin_picking,button_press_topdown,button_press,button_press_wall]"
tasks5=basketball,bin_picking,button_press_topdown,button_press,button_press_wall

data() { # name, arguments of mtbench collect
  [ -d "datasets/$1" ] || python -m mtbench collect "out=datasets/$1" per_round=50 "${@:2}"
}

learn() { # name, overrides of train.py
  local name=$1 run=runs/offline_$1
  shift
  [ ! -f "$out/$name.csv" ] || return 0
  python train.py "experiment=offline_$name" $([ -f "$run/nn/last.pth" ] && echo "checkpoint=$run/nn/last.pth") "$@" \
    >>"$out/log/$name.log" 2>&1 || { echo "$name failed, see $out/log/$name.log" && return 1; }
  cp "$run/config.yaml" "$out/$name.yaml" && cp "$run/metrics.csv" "$out/$name.csv"
}

case $part in
mt5 | schemes) data MT5_replay task=MT50 "tasks=$tasks5" quality=replay n=200 ;;
mt10 | prompt) data MT10_replay task=MT10 quality=replay n=200 ;;&
prompt) data wall_replay task=MT50 tasks=button_press_topdown_wall quality=replay n=200 ;;
prior) data MT10_expert task=MT10 quality=expert n=60 ;;
esac
for seed in $seeds; do
  long="seed=$seed max_frames=4_000_000 eval_interval=2_000_000"
  longer="seed=$seed max_frames=8_000_000 eval_interval=2_000_000" # for twice the tasks
  case $part in
  mt5)
    for train in MTBC MTDT PromptDT HarmoDT_R HarmoDT_M HarmoDT; do
      learn "mt5_${train}_s$seed" $mt5 "train=$train" data=datasets/MT5_replay part=0.5 $long "$@"
    done
    ;;
  schemes)
    for scheme in fairgrad pcgrad; do
      learn "mt5_PromptDT-${scheme}_s$seed" $mt5 train=PromptDT "balancing.actor=$scheme" "train_name=PromptDT-$scheme" \
        data=datasets/MT5_replay part=0.5 $long "$@"
    done
    ;;
  mt10)
    for train in MTBC PromptDT; do
      for share in 1.0 0.5; do
        learn "mt10_${train}-${share}_s$seed" task=MT10 "train=$train" "train_name=$train-$share" data=datasets/MT10_replay \
          "part=$share" $longer "$@"
      done
    done
    ;;
  prior)
    learn "mt10_MTBC_s$seed" task=MT10 train=MTBC network=mlp_small data=datasets/MT10_expert "seed=$seed" max_frames=8_000_000 \
      eval_interval=8_000_000 "$@"
    from="network=mlp_small pretrained=runs/offline_mt10_MTBC_s$seed/nn/last.pth seed=$seed max_frames=2_000_000 eval_interval=100_000"
    learn "mt10_TOPPO-from-MTBC_s$seed" task=MT10 train=TOPPO train_name=TOPPO-from-MTBC $from "$@"
    learn "mt10_TOPPO-BC_s$seed" task=MT10 train=TOPPO_BC data=datasets/MT10_expert $from "$@"
    ;;
  prompt)
    learn "mt10_PromptDT-1.0_s$seed" task=MT10 train=PromptDT train_name=PromptDT-1.0 data=datasets/MT10_replay $longer "$@"
    learn "wall_PromptDT_s$seed" task=MT1 task_name=button_press_topdown_wall train=PromptDT data=datasets/wall_replay \
      "pretrained=runs/offline_mt10_PromptDT-1.0_s$seed/nn/last.pth" "seed=$seed" max_frames=800_000 eval_interval=400_000 "$@"
    ;;
  *) echo "PART is mt5, mt10, schemes, prior or prompt, not $part" && exit 2 ;;
  esac
done
