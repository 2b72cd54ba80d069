"""The program that speaks to OpenML: the ``openml`` client in a process of its own.

The client knows no deadline, leaves broken files in its cache and loads pickles from it. So it
runs as a child that may be killed at any time, with a cache in a private temporary folder, and
hands over nothing but JSON and parquet. Requests come as one JSON object per line on stdin,
answers leave as one per line on stdout:

    {"ask": "suite", "id": 99}                   {"answer": {"tasks": [...], ...}}
    {"ask": "task", "id": 31}                    {"answer": {"kind": ..., "dataset": 31, ...}}
    {"ask": "dataset", "id": 31}                 {"answer": {"name": ..., "version": 1, ...}}
    {"ask": "table", "id": 31, "path": PATH}     {"answer": {"rows": ..., "columns": ...}}
    {"ask": "shapes", "ids": [3, 31]}            {"answer": {"3": {"rows": ..., ...}}}

or as ``{"failure": reason, "kind": one of those of _failures}``. The first line on stdout is empty,
``{}``: it is ready.
"""

from __future__ import annotations

import json
import math
import os
import queue
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from autometa.tables.openml._failures import FinalError, explained, is_network_error
from autometa.tables.openml._settings import KEY_VARIABLE, LOCAL_HOSTS

if TYPE_CHECKING:
    import pandas as pd

_SKIP_PARQUET = "OPENML_SKIP_PARQUET"
_NO_QUALITIES = 362
_KINDS = {1: "classification", 2: "regression"}


def main() -> None:
    """Answers requests until stdin ends, which it does when the parent is gone."""
    server, root = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever the client prints is no answer
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    client = _Client(server, Path(root), os.environ.get(KEY_VARIABLE, "").strip())
    answers.write("{}\n")  # ready
    answers.flush()
    while True:
        request = json.loads(requests.get())
        answers.write(json.dumps(client.reply(request)) + "\n")
        answers.flush()


def _listen(requests: queue.Queue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    # A download may be running in the main thread; nobody waits for it any more.
    os._exit(0)


class _Client:
    """Answers one request after the other through the ``openml`` package."""

    def __init__(self, server: str, root: Path, key: str) -> None:
        import openml

        self._openml = openml
        self._root = root
        self._key = key
        self._host = urlsplit(server).hostname or ""
        openml.config.server = server
        openml.config.apikey = key
        openml.config.set_root_cache_directory(str(root))
        # The parent tries again, with a deadline of its own.
        openml.config.set_retry_policy("human", n_retries=1)
        self._handlers: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "suite": self._suite,
            "task": self._task,
            "dataset": self._dataset,
            "table": self._table,
            "shapes": self._shapes,
        }

    def reply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the answer to a request, or why there is none."""
        try:
            return {"answer": self._handlers[request["ask"]](request)}
        except Exception as error:
            # Broken files would be found again in the client's cache.
            self._forget()
            reason, kind = explained(error, self._key)
            return {"failure": reason, "kind": kind}

    def _forget(self) -> None:
        for path in self._root.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)

    def _suite(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            suite = self._openml.study.get_suite(request["id"])
        except (AssertionError, ValueError) as error:
            raise FinalError("it is no suite of tasks") from error
        return {
            "name": suite.name,
            "tasks": [int(task) for task in suite.tasks or ()],
            "datasets": [int(dataset) for dataset in suite.data or ()],
        }

    def _task(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            task = self._openml.tasks.get_task(
                request["id"],
                download_splits=False,
                download_data=False,
                download_qualities=False,
                download_features_meta_data=False,
            )
        except NotImplementedError as error:
            raise FinalError("its kind of task is not classification") from error
        kind = _KINDS.get(task.task_type_id.value, task.task_type)
        if kind not in _KINDS.values():
            raise FinalError(f"its task is {kind}, not classification")
        target: str = task.target_name  # type: ignore[attr-defined]
        return {"kind": kind, "dataset": task.dataset_id, "target": target}

    def _dataset(self, request: Mapping[str, Any]) -> dict[str, Any]:
        found = self._openml.datasets.get_dataset(request["id"])
        if str(found.format).lower() == "sparse_arff":
            raise FinalError("its file is sparse, and tables must be dense")
        return {
            "name": found.name,
            "version": found.version,
            "target": found.default_target_attribute,
            "licence": found.licence,
        }

    def _table(self, request: Mapping[str, Any]) -> dict[str, Any]:
        announced = self._rows_announced(request["id"])
        try:
            frame = self._downloaded(request["id"])
        except Exception as error:
            # The client raises plain exceptions for a broken parquet file. The ARFF may be whole.
            openmls = self._openml.exceptions.PyOpenMLError
            if is_network_error(error) or isinstance(error, openmls):
                raise
            self._forget()
            os.environ[_SKIP_PARQUET] = "true"
            try:
                frame = self._downloaded(request["id"])
            finally:
                del os.environ[_SKIP_PARQUET]
        if announced is not None and len(frame) != announced:
            raise ValueError(
                f"the file holds {len(frame)} rows, but OpenML announces {announced}: it was cut"
            )
        # Parquet knows neither the mixed values of nominal columns nor columns without a name.
        frame.columns = [str(name) for name in frame.columns]
        plain = frame.apply(_plain)
        plain.to_parquet(request["path"], index=False)
        self._forget()
        return {"rows": len(frame), "columns": frame.shape[1]}

    def _rows_announced(self, dataset: int) -> int | None:
        try:
            found = self._openml.datasets.get_dataset(dataset, download_qualities=True)
        except self._openml.exceptions.OpenMLServerException as error:
            if error.code != _NO_QUALITIES:
                raise
            return None
        rows = (found.qualities or {}).get("NumberOfInstances")
        return None if rows is None or math.isnan(rows) else int(rows)

    def _downloaded(self, dataset: int) -> pd.DataFrame:
        found = self._openml.datasets.get_dataset(dataset)
        try:
            if not _may_have_key(found.url or "", self._host):
                # The client would send it wherever the description points.
                self._openml.config.apikey = ""
            frame: Any = found.get_data()[0]
        finally:
            self._openml.config.apikey = self._key
        return frame  # type: ignore[no-any-return]

    def _shapes(self, request: Mapping[str, Any]) -> dict[str, Any]:
        listed = self._openml.datasets.list_datasets(
            data_id=list(request["ids"]), status="all", output_format="dataframe"
        )
        kept = {
            "name": "name",
            "version": "version",
            "NumberOfInstances": "rows",
            "NumberOfFeatures": "columns",
            "NumberOfClasses": "classes",
        }
        return {
            str(int(row["did"])): {
                new: None if row.get(old) != row.get(old) else row.get(old)
                for old, new in kept.items()
            }
            for row in json.loads(listed.to_json(orient="records"))
        }


def _may_have_key(url: str, server: str) -> bool:
    """Returns whether the user's key may go to a URL: to the server, and in the clear to none."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_safe = parts.scheme == "https" or host in LOCAL_HOSTS
    is_openmls = all(f".{name}".endswith(".openml.org") for name in (host, server))
    return is_safe and (host == server or is_openmls)


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    """Returns a column that parquet can hold: the values of nominal ones become text."""
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.rename_categories([str(level) for level in column.cat.categories])
    if column.dtype == object:
        return column.map(str, na_action="ignore")
    return column


if __name__ == "__main__":
    main()
