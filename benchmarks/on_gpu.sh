#!/usr/bin/env bash
# Everything that needs a GPU, in parts of less than ten minutes; results go to OUT.
#   bash benchmarks/on_gpu.sh OUT all        all questions in order, eight minutes at most (benchmarks/on_gpu.py and its options); MINUTES=8
#   bash benchmarks/on_gpu.sh OUT check      every scene and every expert, GPU against CPU; dynamics, divergence, lost contacts
#   bash benchmarks/on_gpu.sh OUT speed      cold start, physics, env.step and training rates of MT50 (the targets)
#   bash benchmarks/on_gpu.sh OUT scaling    the same for MT10 and MT50 from 1,024 to 16,384 environments (about 25 minutes)
#   bash benchmarks/on_gpu.sh OUT learn      MT50: TOPPO, then MT-PPO, four minutes each; started again, both continue
# Without a GPU, CHECK_DEVICE=cpu runs "check" on Warp's CPU device, and "all" in miniature (MINUTES=60; most of it compiles).
set -euo pipefail
out=$1 part=$2
mkdir -p "$out"
device=${CHECK_DEVICE:-cuda:0}
case $part in
  all)
    small=()
    [ "$device" != cpu ] || small=(num_envs=50)
    exec python3 benchmarks/on_gpu.py "$out" device="$device" minutes="${MINUTES:-8}" "${small[@]}" "${@:3}"
    ;;
  check)
    MTBENCH_TEST_DEVICE=$device python -m pytest tests/metaworld/test_warp.py -m "slow or not slow" -v -p no:cacheprovider \
      2>&1 | tee "$out/gpu_check.txt"
    ;;
  speed)
    python benchmarks/gpu.py tasks=MT50 num_envs=8192 epochs=4 out="$out/gpu_speed" 2>&1 | tee "$out/gpu_speed.txt"
    ;;
  scaling)
    python benchmarks/gpu.py out="$out/gpu" 2>&1 | tee "$out/gpu.txt"
    ;;
  learn)
    bash benchmarks/learning.sh MT50 "$out/mt50_gpu" 4 1 sim_device=cuda:0 rl_device=cuda:0 schedule=gpu num_envs=8192 \
      max_frames=100_000_000 eval_interval=5_000_000 2>&1 | tee -a "$out/mt50_gpu.txt"
    cp -r runs/mt50_*_s1 "$out/"
    ;;
  *)
    echo "error: there is no part '$part'; choose one of: all, check, speed, scaling, learn" >&2
    exit 2
    ;;
esac
