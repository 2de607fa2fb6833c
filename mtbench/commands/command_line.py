"""Runs commands and turns the mistakes of their users into one sentence on stderr."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from mtbench.commands import sweep
from mtbench.learning.errors import UserError, nearest
from mtbench.learning.files import STORAGE


def run_command(main: Callable[[Sequence[str]], int | None], arguments: Sequence[str]) -> int:
    """The exit code of ``main``: its own; 2, and one sentence on stderr, for a user's mistake or a disk that
    does not take or give a file; 130 after Ctrl-C."""
    try:
        return main(arguments) or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except SystemExit as end:
        if not isinstance(end.code, str):
            raise
        print(f"error: {end.code}", file=sys.stderr)  # a sentence too, of what also runs without this
        return 2
    except OSError as error:
        if error.errno not in STORAGE:
            raise
        print(f"error: {error.filename or 'a file'} cannot be read or written: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print()
        return 130


def run_application(launch: Callable[[DictConfig, list[str]], None], cfg: Path) -> int:
    """Compose the configuration in the folder ``cfg`` with the command line, call ``launch`` with it and with the
    overrides that were typed, and return the exit code.

    A user's mistake gives one sentence on stderr and 2; of a sweep (see :mod:`mtbench.commands.sweep`), 1 when a run
    failed. With ``HYDRA_FULL_ERROR=1`` it keeps its traceback, as do real
    faults always.
    """
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # so that Hydra raises instead of printing
    mistakes: list[Exception] = []
    begun = False
    sweep.SweepFolder.path = None

    @hydra.main(version_base="1.3", config_path=str(cfg), config_name="config")
    def job(config: DictConfig) -> None:
        nonlocal begun
        begun = True
        try:
            overrides = list(HydraConfig.get().overrides.task)  # which resolves them
            if sweep.is_sweep():
                return sweep.run_job(launch, config, overrides, lambda error: sentence(error, cfg))
            launch(config, overrides)
        except (UserError, OmegaConfBaseException) as error:  # kept from Hydra, which would add lines of its own
            mistakes.append(error)

    try:
        _check_flags()
        job()
    except sweep.Refused as refused:
        assert isinstance(refused.__cause__, Exception)
        mistakes.append(refused.__cause__)
    except (HydraException, OmegaConfBaseException, UserError) as error:
        mistakes.append(error)
    except Exception as error:
        if wants_traceback == "1" or (begun and sweep.SweepFolder.path is None):
            raise
        if not begun and isinstance(error, OSError):
            mistakes.append(UserError(f"hydra.run.dir or hydra.sweep.dir cannot be written: {error}"))
        elif not begun:
            groups = "task, train, network and schedule take the name of a file, as task=MT10"
            mistakes.append(UserError(f"the command line cannot be read ({sentence(error, cfg)}); {groups}"))
        else:
            mistakes.append(UserError(f"the launcher failed: {sentence(error, cfg)}"))  # a worker was killed, say
    except KeyboardInterrupt:
        if sweep.SweepFolder.path is None:
            print("stopped before the first epoch, nothing to save", file=sys.stderr)
        else:
            print("sweep stopped; the same command continues it", file=sys.stderr)
        return 130
    finally:
        os.environ["HYDRA_FULL_ERROR"] = wants_traceback or "0"
    for mistake in mistakes:
        if wants_traceback == "1":
            raise mistake
        rank = os.environ.get("RANK", "0")
        who = f" (process {rank})" if rank != "0" else ""
        print(f"error{who}: {sentence(mistake, cfg)}", file=sys.stderr)
    if mistakes:
        return 2
    if sweep.SweepFolder.path is None:
        return 0
    lines, failed = sweep.summary(sweep.SweepFolder.path)
    print(lines)
    return 1 if failed else 0


def _check_flags() -> None:
    """Read Hydra's own flags, such as ``-m``, as Hydra does, whose complaint has a screenful of usage."""
    parser = get_args_parser()

    def complain(message: str) -> NoReturn:
        raise UserError(f"{message}; settings are key=value, without dashes, and -m, for a sweep, comes before them")

    parser.error = complain  # type: ignore[method-assign]
    parser.parse_args()


def sentence(error: Exception, cfg: Path) -> str:
    """What a mistake says: our own words, or Hydra's put into ours; ``cfg`` is the folder of the configuration."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        options = sorted(error.options or [])
        return f"there is no {group}={name}{nearest(name, options)}; choose one of: {', '.join(options)}"
    text = str(error)
    if isinstance(error, OverrideParseException):
        return f"'{error.override}' cannot be read as key=value; quote values with spaces or brackets"
    if deleted := re.match(r"Could not delete from config. '([^']+)'", text):
        key = deleted.group(1)
        return f"'{key}' cannot be deleted; leave ~{key} out, or set it to what it shall be, which may be null"
    if isinstance(error, InterpolationResolutionError):
        return f"{error.full_key or 'a setting'} cannot be resolved: {' '.join(str(error.msg or text).split())}"
    missing = re.search(r"Could not override '([^']+)'", text) or re.search(r"Key '([^']+)' is not in struct", text)
    if missing:
        key = missing.group(1).split("@")[0]
        known = list(_keys(cfg))
        if key in known:
            return (
                f"'{key}' is a mapping in the chosen preset, into which a mapping is merged, and it cannot take new keys; "
                "start from a preset that does not set it, such as train=MTPPO"
            )
        parent = key.rpartition(".")[0]
        siblings = [name.rpartition(".")[2] for name in known if parent and name.rpartition(".")[0] == parent]
        listed = "cfg/config.yaml and the files it names list them all"
        if siblings:
            listed = f"{parent} takes: {', '.join(sorted(siblings))}"
        return f"there is no setting '{key}'{nearest(key, known)}; {listed}"
    kind = "" if isinstance(error, UserError | HydraException | OmegaConfBaseException) else f"{type(error).__name__}: "
    return kind + " ".join(text.split())


def _keys(cfg: Path) -> Iterator[str]:
    """Yield all settings, dotted, of the configuration with the files that were chosen, and the config groups."""
    typed = [item for item in sys.argv[1:] if (cfg / f"{item.replace('=', '/', 1)}.yaml").is_file()]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(cfg), version_base="1.3"):
        config = compose("config", typed)
    stack: list[tuple[str, Any]] = [("", OmegaConf.to_container(config))]
    while stack:
        prefix, node = stack.pop()
        for name, value in node.items():
            yield f"{prefix}{name}"
            if isinstance(value, dict):
                stack.append((f"{prefix}{name}.", value))
