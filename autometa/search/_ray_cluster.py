"""Workers as tasks of a Ray cluster, for GPUs and for machines that Ray looks after already.

Ray finds a place for each worker and tells when it dies. It is asked for no more: tasks are not
repeated by it, nothing goes through its object store, and the budget stays in the storage.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Any

from autometa.errors import RunError, UserError
from autometa.logging import get_logger
from autometa.search._processes import STORAGE_VARIABLE
from autometa.search._ray_task import work_in_task
from autometa.storages import run_folder_of, url_without_password

_logger = get_logger(__name__)

ADDRESS_VARIABLE = "RAY_ADDRESS"
"""Ray's own environment variable for the address of a cluster."""

_POLL_SECONDS = 0.2
_GRACE_SECONDS = 20.0
_MAX_RESTARTS = 5
_OBJECT_STORE_BYTES = 100 * 2**20  # near the least that Ray accepts; a result is one short text
_SHARED = (
    "the workers of several machines need a PostgreSQL storage, or a folder that all of them share"
)


@dataclass(frozen=True)
class RayCluster:
    """Starts workers as Ray tasks of one CPU each.

    A worker that dies is started anew, five times at most for each index as long as no further
    trial is done. The storage's password is in no argument of a task: a local cluster inherits it
    in its environment, and the nodes of an existing one have to know it themselves
    (``AUTOMETA_STORAGE_PASSWORD_FILE``, ``PGPASSFILE`` or ``AUTOMETA_STORAGE`` of the node).

    Attributes:
        address: ``HOST:PORT`` of an existing cluster, ``auto`` for the one that this machine
            belongs to, ``local`` for a new one on this machine; ``$RAY_ADDRESS`` where None, and
            else ``local``.
        gpus_per_worker: GPUs of each task, a part of one or a whole number; with 0 it sees none.

    Raises:
        UserError: the number of GPUs is none that Ray can give.

    >>> RayCluster("auto", gpus_per_worker=0.25).place
    'auto'
    """

    address: str | None = None
    gpus_per_worker: float = 0.0

    def __post_init__(self) -> None:
        gpus = self.gpus_per_worker
        if not 0 <= gpus < float("inf") or (gpus > 1 and gpus != int(gpus)):
            raise UserError(
                "the GPUs of a worker must be a number from 0 to 1 or a whole number; got "
                f"{gpus:g}: give four workers a GPU together with 0.25"
            )

    @property
    def place(self) -> str:
        """The address that is used."""
        return self.address or os.environ.get(ADDRESS_VARIABLE, "").strip() or "local"

    def check(self, storage_url: str) -> None:
        """Refuses to go on without Ray, or with an address that is not supported.

        Raises:
            UserError: it is not installed, or the address is one of Ray's clients.
        """
        del storage_url
        if find_spec("ray") is None:
            raise UserError(
                "the engine ray needs a package that is not installed; install autometa[ray]"
            )
        if "://" in self.place:
            raise UserError(
                f"a Ray cluster is given as HOST:PORT, auto or local; got {self.place}: start the "
                "command on a machine of the cluster, with auto"
            )

    def run(
        self,
        storage_url: str,
        study_name: str,
        *,
        workers: int,
        log_folder: Path,
        stop: Event,
        on_tick: Callable[[], int],
    ) -> None:
        """Runs workers as tasks until all have ended by themselves; see :class:`WorkerEngine`.

        What they have to say is appended to ``worker-<index>.log`` in the run folder's ``logs`` of
        their node, which is ``log_folder`` where the folder is shared.

        Raises:
            UserError: the cluster has too few GPUs.
            RunError: there is no such cluster, a worker kept dying, or one ended with an error.
        """
        del log_folder
        with _connected(self.place, storage_url, workers):
            import ray

            self._require_gpus(ray.cluster_resources().get("GPU", 0.0))
            machines = sum(bool(node["Alive"]) for node in ray.nodes())
            if machines > 1 and not storage_url.startswith("postgresql:"):
                _logger.warning("the Ray cluster has %d machines: %s", machines, _SHARED)
            task = ray.remote(work_in_task)
            given = url_without_password(storage_url)
            folder = str(Path.cwd() / run_folder_of(study_name))

            def start(index: int) -> Any:
                options = {
                    "name": f"autometa worker {study_name} {index}",
                    "num_cpus": 1,
                    "num_gpus": self.gpus_per_worker,
                    "max_retries": 0,
                }
                return task.options(**options).remote(
                    given, study_name, run_folder=folder, worker=index
                )

            _watch(start, workers, stop, on_tick)

    def _require_gpus(self, found: float) -> None:
        """Refuses tasks that would wait for ever; a cluster that grows may still get its GPUs."""
        if found >= self.gpus_per_worker:
            return
        text = f"each worker is to have {self.gpus_per_worker:g} GPUs, but the Ray cluster has "
        if self.place == "local":
            raise UserError(f"{text}{found:g}; lower --gpus-per-worker or name another cluster")
        _logger.warning("%s%g so far; the workers wait for more", text, found)


def _watch(
    start: Callable[[int], Any], workers: int, stop: Event, on_tick: Callable[[], int]
) -> None:
    """Waits for tasks, and starts those anew whose process or node died."""
    import ray

    tasks: dict[Any, int] = {}
    restarts: Counter[int] = Counter()
    done = 0
    try:
        for index in range(workers):
            tasks[start(index)] = index
        while tasks and not stop.is_set():
            if (now_done := on_tick()) > done:
                restarts.clear()
                done = now_done
            ended, _ = ray.wait(list(tasks), timeout=_POLL_SECONDS)
            for task in ended:
                index = tasks.pop(task)
                try:
                    message = ray.get(task)
                except ray.exceptions.RayError as error:
                    said = str(error).strip().splitlines()
                    reason = f"{type(error).__name__}: {said[-1] if said else 'no message'}"
                    is_final = isinstance(error, ray.exceptions.RayTaskError)
                    if is_final or restarts[index] == _MAX_RESTARTS:
                        raise _ended(index, reason) from None
                    restarts[index] += 1
                    _logger.warning("worker %d was lost (%s); starting another", index, reason)
                    tasks[start(index)] = index
                else:
                    if message:
                        raise _ended(index, message)
    finally:
        _end(list(tasks))


def _ended(index: int, reason: str) -> RunError:
    return RunError(
        f"worker {index} on the Ray cluster ended: {reason}; every machine of it needs the same "
        f"autometa and tables, and {_SHARED} and the storage's password, if it has one: mend it, "
        "then run the same command again"
    )


def _end(tasks: list[Any]) -> None:
    """Asks tasks to end, and kills those that have not after a grace period."""
    import ray

    if not tasks:
        return
    for task in tasks:
        ray.cancel(task)
    _, left = ray.wait(tasks, num_returns=len(tasks), timeout=_GRACE_SECONDS)
    for task in left:
        ray.cancel(task, force=True)


@contextmanager
def _connected(place: str, storage_url: str, workers: int) -> Iterator[None]:
    """Joins a cluster, or starts one, for as long as the block lasts."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it would report to its makers
    import ray

    options: dict[str, Any] = {"address": place}
    if place == "local":
        options |= {
            "num_cpus": workers,  # as many as were asked for, whatever the machine has
            "object_store_memory": _OBJECT_STORE_BYTES,
            "include_dashboard": False,
        }
    # Ray's notes go to stdout, where the result of a command is to stand alone.
    with redirect_stdout(sys.stderr):
        try:
            with _environment(storage_url if place == "local" else None), _own_signals():
                ray.init(**options, log_to_driver=False, configure_logging=False)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            reason = " ".join(str(error).split())
            raise RunError(
                f"the Ray cluster {place} cannot be used ({reason}); see that it runs, with the "
                "same versions of Python and Ray, or name another with --ray-address"
            ) from None
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _environment(storage_url: str | None) -> Iterator[None]:
    """Sets the storage's URL while a cluster is started, whose processes inherit it."""
    before = os.environ.get(STORAGE_VARIABLE)
    if storage_url is not None:
        os.environ[STORAGE_VARIABLE] = storage_url
    try:
        yield
    finally:
        if before is not None:
            os.environ[STORAGE_VARIABLE] = before
        else:
            os.environ.pop(STORAGE_VARIABLE, None)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keeps a command's handler of SIGTERM, and its blocked signals from Ray's processes.

    Ray sets a handler of its own, and its processes would inherit signals that are blocked, and
    then not end when Ray asks them to.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGTERM, handler)
