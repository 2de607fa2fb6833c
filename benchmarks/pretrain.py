"""Pre-train on N variants of a family with the same frames in all, then learn the one held out from each, and from scratch.

    python benchmarks/pretrain.py family=buttons [n=1,2,4] [width=64,256] [frames=400_000] [tune_frames=120_000] [seeds=3]
    [...]

After Taiga et al. (ICLR 2023), with MT-IMPALA and networks that are not told which task it is (``task_input=none``, shared
input statistics), so that a variant that was never seen can be asked about. Runs go to ``runs/pretrain_FAMILY``, the tables
to ``runs/transfer_FAMILY_WIDTH``. Further key=value are settings of both kinds of runs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from omegaconf import OmegaConf

from mtbench.resources import CFG

UNAWARE = ["task_input=none", "normalize_input=shared"]


def main() -> int:
    options = dict(item.split("=", 1) for item in sys.argv[1:])
    name = options.pop("family", "buttons")
    counts = [int(n) for n in options.pop("n", "1,2,4").split(",")]
    widths = [int(width) for width in options.pop("width", "128").split(",")]
    frames, tune_frames = int(options.pop("frames", "400_000")), options.pop("tune_frames", "120_000")
    seeds = options.pop("seeds", "3")
    more = [f"{key}={value}" for key, value in options.items()]
    family = OmegaConf.load(CFG / "transfer" / f"{name}.yaml")
    for width in widths:
        priors = ["scratch"]
        size = [f"{side}.units=[{width},{width},{width}]" for side in ("actor", "critic")]
        for n in counts:
            run = Path("runs") / f"pretrain_{name}" / f"n{n}_w{width}"
            priors.append(f"n{n}={run}")
            variants = list(family.variants)[:n]
            if len(variants) < n:
                sys.exit(f"{name} has {len(variants)} variants, not {n}")
            chosen = [f"task={family.task}", f"task_id=[{','.join(variants)}]", *family.get("settings", [])]
            last = run / "nn" / "last.pth"
            going_on = [f"checkpoint={last}"] if last.exists() else []
            limits = [f"max_frames={frames}", "eval_interval=100_000", f"experiment=pretrain_{name}/{run.name}"]
            train("train=MTIMPALA", *chosen, *UNAWARE, *size, *limits, *more, *going_on)
        of = [f"target={name}", f"from=[{','.join(priors)}]", f"seeds={seeds}", f"frames={tune_frames}"]
        subprocess.run(
            [sys.executable, "-m", "mtbench", "transfer", *of, f"folder=transfer_{name}_w{width}", *more], check=True
        )
    return 0


def train(*overrides: str) -> None:
    """One run, in a process of its own."""
    subprocess.run([sys.executable, "-m", "mtbench", "train", *overrides], check=True)


if __name__ == "__main__":
    sys.exit(main())
