"""``autometa doctor``: what is installed, reachable and cached here, and how fast it is."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from autometa.cli._archive import disk_use
from autometa.cli._printing import aligned, hush_optuna, log_to_stderr, size, tell, tell_json
from autometa.cli._sources import Offline, go_offline
from autometa.cli._storage_option import StorageOption
from autometa.errors import AutometaError

_PACKAGES = ("autometa", "torch", "optuna", "optuna-dashboard", "scikit-learn", "numpy", "pandas")
_EXTRAS = {"postgres": "psycopg", "ray": "ray"}
_STEPS = 60
_DEADLINE_SECONDS = 3.0


def doctor(
    storage: StorageOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    offline: Offline = False,
) -> None:
    """Say what autometa finds on this machine; exit 1 where the storage cannot be used."""
    hush_optuna()
    log_to_stderr()
    go_offline(offline)
    kept, is_usable = _storage(storage)
    found: dict[str, dict[str, Any]] = {
        "installed": _installed(),
        "machine": _machine(),
        "storage": kept,
        "cache": _cache(),
        "network": _network(),
        "speed": _speed(),
    }
    if as_json:
        tell_json(found)
    else:
        rows = [
            [part if number == 0 else "", name, str(value)]
            for part, values in found.items()
            for number, (name, value) in enumerate(values.items())
        ]
        tell("\n".join(aligned(["", "what", "found"], rows, left=3)))
    if not is_usable:
        raise typer.Exit(1)


def _installed() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    versions |= {package: version(package) for package in _PACKAGES}
    for extra, module in _EXTRAS.items():
        if importlib.util.find_spec(module) is None:
            versions[f"extra {extra}"] = f'no; pip install "autometa[{extra}]"'
        else:
            versions[f"extra {extra}"] = f"{module} {_version_of(module)}"
    return versions


def _version_of(module: str) -> str:
    try:
        return version(module)
    except PackageNotFoundError:
        return "of unknown version"


def _machine() -> dict[str, str]:
    import torch

    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else "?"),
        "GPU": ", ".join(devices) or "none; training runs on the processor",
    }


def _storage(url: str | None) -> tuple[dict[str, str], bool]:
    """Returns what is known of the storage, and whether it can be used."""
    from autometa.storages import (
        close_storage,
        default_storage_url,
        list_studies,
        open_storage,
        url_without_password,
    )

    shown = url_without_password(default_storage_url() if url is None else url)
    started = time.perf_counter()
    try:
        opened = open_storage(url, create=False)
        studies = list_studies(opened)
    except AutometaError as error:
        # A first study makes its storage: that there is none yet is nothing to mend.
        is_fresh = url is None and "there is no storage" in str(error)
        return {"url": shown, "state": "none yet" if is_fresh else str(error)}, is_fresh
    close_storage(opened)
    milliseconds = 1000 * (time.perf_counter() - started)
    return {"url": shown, "state": f"{len(studies)} studies, read in {milliseconds:.0f} ms"}, True


def _cache() -> dict[str, str]:
    from autometa.tables import default_cache_dir

    folder = default_cache_dir()
    place = folder if folder.exists() else folder.parent
    free = shutil.disk_usage(place).free if place.exists() else 0
    return {"folder": str(folder), "holds": size(disk_use(folder)), "free": size(free)}


def _network() -> dict[str, str]:
    from autometa.tables import is_offline
    from autometa.tables.openml import unreachable

    if is_offline():
        return {"OpenML": "switched off by --offline or AUTOMETA_OFFLINE"}
    reason = unreachable(seconds=_DEADLINE_SECONDS)
    return {"OpenML": f"not reachable ({reason})" if reason else "reachable"}


def _speed() -> dict[str, str]:
    """Times meta-training of the default learner on one thread, on a few random tables."""
    import torch

    from autometa.config import ColumnKernelConfig, SyntheticSource
    from autometa.episodes import TrainingEpisodes
    from autometa.learners import OuterLoop, build_learner
    from autometa.tables import load_source

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        tables, _ = load_source(SyntheticSource(count=20))
        learner = build_learner(ColumnKernelConfig(), seed=0)
        episodes = TrainingEpisodes(
            [],
            tables,
            seed=0,
            meta_batch=8,
            ways=5,
            synthetic_share=1.0,
            augmented_share=0.0,
            components=learner.components,
            reuse=8,
        )
        loop = OuterLoop(learner, episodes.batch, outer_steps=_STEPS, outer_lr=0.004)
        loop.run_until(_STEPS // 4)
        started = time.perf_counter()
        loop.run_until(_STEPS)
        seconds = (time.perf_counter() - started) / (_STEPS - _STEPS // 4)
    finally:
        torch.set_num_threads(threads)
    return {"an outer step of the default learner": f"{1000 * seconds:.1f} ms on one core"}
