"""The command that asks a GPU everything: what it does when steps fail or hang, and the whole of it in miniature."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def on_gpu(monkeypatch, tmp_path) -> ModuleType:
    """``benchmarks/on_gpu.py``, with steps that say something and then do what they are told."""
    spec = importlib.util.spec_from_file_location("on_gpu", ROOT / "benchmarks" / "on_gpu.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "on_gpu", module)
    spec.loader.exec_module(module)
    script = tmp_path / "steps.py"
    script.write_text(
        "import json, sys, time\n"
        "print(json.dumps({'asked': json.loads(sys.argv[2])['num_envs']}), flush=True)\n"
        "print('a line of a library', flush=True)\n"
        "{'good': lambda: None, 'bad': lambda: 1 / 0, 'hangs': lambda: time.sleep(60)}[sys.argv[1]]()\n"
    )
    monkeypatch.setattr(module, "SCRIPT", script)
    monkeypatch.delenv("WARP_CACHE_PATH", raising=False)
    return module


def test_a_step_that_fails_or_hangs_leaves_its_findings(on_gpu, tmp_path):
    run = on_gpu.Run(tmp_path / "out", on_gpu.OPTIONS | {"device": "cpu", "num_envs": "7"})
    assert run.start("one", "good").finish(30.0)
    assert not run.start("two", "bad").finish(30.0)
    assert not run.start("three", "hangs").finish(1.0)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [report[step]["asked"] for step in ("one", "two", "three")] == [7, 7, 7]
    assert report["one"]["status"] == "complete"
    assert "ZeroDivisionError" in report["two"]["status"]
    assert report["three"]["status"].startswith("stopped") and report["three"]["seconds"] < 20.0
    text = (tmp_path / "out" / "report.md").read_text()
    assert text.index("## one") < text.index("## three") and "- asked: 7" in text
    assert "a line of a library" in (tmp_path / "out" / "log.txt").read_text()


def test_the_kernel_cache_is_kept_in_parts_that_join_again(on_gpu, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    cache.mkdir()
    content = bytes(range(256)) * 40
    (cache / "kernel.bin").write_bytes(content)
    monkeypatch.setenv("WARP_CACHE_PATH", str(cache))
    monkeypatch.setattr(on_gpu, "PART", 150)
    run = on_gpu.Run(tmp_path / "out", on_gpu.OPTIONS)
    run.keep_cache()
    parts = sorted((tmp_path / "out").glob("warp-cache.tar.xz.*"))
    assert 1 < len(parts) <= on_gpu.PARTS
    joined = tmp_path / "joined.tar.xz"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    subprocess.run(["tar", "-xJf", joined, "-C", tmp_path], check=True)
    assert (tmp_path / "kernel.bin").read_bytes() == content
    monkeypatch.setattr(on_gpu, "PARTS", 1)
    (cache / "more.bin").write_bytes(content)
    run.keep_cache()
    assert sorted((tmp_path / "out").glob("warp-cache.tar.xz.*")) == parts  # what does not fit leaves what there was


def test_the_time_that_is_left_decides(on_gpu, tmp_path):
    run = on_gpu.Run(tmp_path / "out", on_gpu.OPTIONS | {"minutes": "0.5"})
    run.learn()
    assert run.report.steps["3 learning"] == {"status": "left out for want of time"}


def test_options_that_make_no_sense_are_refused(on_gpu, tmp_path, capsys):
    for option in ("minutes=soon", "num_envs=0", "parts=run,sped", "whole=maybe"):
        assert on_gpu.main([str(tmp_path / "out"), option]) == 2
        assert option in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_everything_in_miniature(tmp_path):
    """On Warp's CPU device, where the kernels of MT50 compile first."""
    command = ["bash", "benchmarks/on_gpu.sh", str(tmp_path / "out"), "all", "whole=false"]
    where = {
        "CHECK_DEVICE": "cpu",
        "MINUTES": "30",
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(Path.home()),
    }
    done = subprocess.run(command, cwd=ROOT, env=where, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["all"]["failed"] == []
    assert report["1 check"]["a diverged environment is reset alone"] is True
    assert report["2 speed, merged, dense"]["env.step, environment steps/s"] > 0
    assert (tmp_path / "out" / "learned.tar.gz").stat().st_size > 1000
