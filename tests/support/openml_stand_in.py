"""A loopback server that answers like OpenML, from small tables, and fails on demand.

It speaks the formats of the recorded answers: suite, task, data description, features, qualities,
list, splits, ARFF, and parquet through the path of an object store. Tests start it in a thread;
benchmarks start it as a program that serves a folder's tables under their true ids:

    python tests/support/openml_stand_in.py --tables DIR [--suite 99] [--port N] [--log FILE]

which prints the URL for ``$AUTOMETA_OPENML_SERVER``.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

import arff
import pandas as pd

API = "/api/v1/xml/"
_NAMESPACE = 'xmlns:oml="http://openml.org/openml"'
_TASK_TYPES = {
    "classification": (1, "Supervised Classification"),
    "regression": (2, "Supervised Regression"),
    "clustering": (5, "Clustering"),
}


_OF_BODIES = {"cut", "cut-unannounced", "flip", "slow"}


@dataclass(frozen=True)
class Entry:
    """A table under its ids.

    Attributes:
        dataset: id of the dataset.
        task: id of its task.
        name: its name on OpenML.
        frame: its rows; nominal columns are of pandas' category kind.
        target: its target column.
        version: of the dataset.
        kind: of the task.
        has_parquet: whether the description names a parquet file.
        has_checksum: whether it names the checksum of the ARFF file.
        has_qualities: whether OpenML has computed qualities.
        has_broken_parquet: whether the parquet file is no parquet.
        host: where the description says that the files are; the server itself where empty.
        ignored: columns that the description says to ignore.
        format: ARFF or Sparse_ARFF.
    """

    dataset: int
    task: int
    name: str
    frame: pd.DataFrame
    target: str | None
    version: int = 1
    kind: str = "classification"
    has_parquet: bool = True
    has_checksum: bool = True
    has_qualities: bool = True
    has_broken_parquet: bool = False
    host: str = ""
    ignored: tuple[str, ...] = ()
    format: str = "ARFF"

    def arff(self) -> bytes:
        """Returns the ARFF file."""
        attributes: list[tuple[str, Any]] = [
            (str(name), list(map(str, column.cat.categories)) if _is_nominal(column) else "REAL")
            for name, column in self.frame.items()
        ]
        rows = self.frame.astype(object).where(self.frame.notna(), None).to_numpy().tolist()
        return arff.dumps(  # type: ignore[no-any-return]
            {"relation": self.name, "attributes": attributes, "data": rows}
        ).encode()

    def parquet(self) -> bytes:
        """Returns the parquet file."""
        if self.has_broken_parquet:
            return b"PAR1 and nothing more" * 9
        buffer = io.BytesIO()
        self.frame.to_parquet(buffer, index=False)
        return buffer.getvalue()


@dataclass
class Fault:
    """What goes wrong with the requests of some paths.

    Attributes:
        path: regular expression that is searched for in the path.
        kind: silent, drop, error, page, cut, cut-unannounced, flip or slow.
        times: how many requests fail; the later ones are answered.
        status: HTTP status of ``error`` and ``page``.
        code: of the ``oml:error``.
        body: of the page.
    """

    path: str
    kind: str
    times: int = 1_000_000
    status: int = 412
    code: int = 0
    body: str = ""


@dataclass
class StandIn:
    """The server: what it serves, what it has been asked for, and how it fails."""

    entries: list[Entry]
    suites: dict[int, list[int]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    port: int = 0
    log: Path | None = None

    def start(self) -> StandIn:
        """Begins to answer on a free port of 127.0.0.1, or on the one that it had before."""
        handler = type("Handler", (_Handler,), {"stand_in": self})
        self._ended = threading.Event()
        self._http = _Server(("127.0.0.1", self.port), handler)
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Refuses connections from now on, and drops those that are silent."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def url(self) -> str:
        """The URL of the XML interface."""
        return f"http://127.0.0.1:{self.port}{API.rstrip('/')}"

    def note(self, request: str) -> None:
        """Keeps a request, in the log file too."""
        self.requests.append(request)
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(request + "\n")

    def downloads(self, dataset: int) -> int:
        """Returns how often the rows of a dataset were asked for."""
        rows = re.compile(rf"GET /(datasets/.*/dataset_{dataset}\.pq|data/v1/download/{dataset}/)")
        return sum(bool(rows.match(request)) for request in self.requests)

    def fault_of(self, command: str, path: str) -> Fault | None:
        """Returns what goes wrong with a request, and counts it."""
        for fault in self.faults:
            if command == "HEAD" and fault.kind in _OF_BODIES:
                continue
            if fault.times > 0 and re.search(fault.path, path):
                fault.times -= 1
                return fault
        return None

    def answer(self, path: str) -> tuple[bytes, str]:
        """Returns body and content type of a path.

        Raises:
            LookupError: there is nothing there; with the code of OpenML's error.
        """
        if path.startswith(API):
            return self._xml(path.removeprefix(API)).encode(), "text/xml; charset=utf-8"
        if match := re.fullmatch(r"/datasets/\d{4}/\d{4}/dataset_(\d+)\.pq", path):
            return self._entry(int(match[1])).parquet(), "application/octet-stream"
        if match := re.fullmatch(r"/data/v1/download/(\d+)/[^/]+", path):
            return self._entry(int(match[1])).arff(), "text/plain; charset=utf-8"
        if match := re.fullmatch(r"/api_splits/get/(\d+)/[^/]+", path):
            return self._splits(int(match[1])).encode(), "text/plain; charset=utf-8"
        raise LookupError(404)

    def _entry(self, dataset: int, code: int = 111) -> Entry:
        found = next((entry for entry in self.entries if entry.dataset == dataset), None)
        if found is None:
            raise LookupError(code)
        return found

    def _of_task(self, task: int) -> Entry:
        found = next((entry for entry in self.entries if entry.task == task), None)
        if found is None:
            raise LookupError(151)
        return found

    def _xml(self, path: str) -> str:
        kind, _, rest = path.partition("/")
        if kind == "study":
            return self._study(int(rest))
        if kind == "task":
            return self._task(self._of_task(int(rest)))
        if path.startswith("data/features/"):
            return _features(self._entry(int(rest.partition("/")[2])))
        if path.startswith("data/qualities/"):
            return _qualities(self._entry(int(rest.partition("/")[2])))
        if path.startswith("data/list/"):
            return self._list(path)
        if kind == "data":
            return self._description(self._entry(int(rest)))
        raise LookupError(404)

    def _study(self, suite: int) -> str:
        if suite not in self.suites:
            raise LookupError(601)
        tasks = self.suites[suite]
        served = {entry.task: entry.dataset for entry in self.entries}
        data_ids = _elements("data_id", [served[task] for task in tasks if task in served])
        task_ids = _elements("task_id", tasks)
        return (
            f"<oml:study {_NAMESPACE}>"
            f"<oml:id>{suite}</oml:id><oml:main_entity_type>task</oml:main_entity_type>"
            "<oml:name>a suite</oml:name><oml:description>-</oml:description>"
            "<oml:status>active</oml:status>"
            "<oml:creation_date>2020-01-01T00:00:00</oml:creation_date><oml:creator>1</oml:creator>"
            f"<oml:data>{data_ids}</oml:data><oml:tasks>{task_ids}</oml:tasks></oml:study>"
        )

    def _task(self, entry: Entry) -> str:
        number, name = _TASK_TYPES[entry.kind]
        return (
            f"<oml:task {_NAMESPACE}><oml:task_id>{entry.task}</oml:task_id>"
            f"<oml:task_type_id>{number}</oml:task_type_id><oml:task_type>{name}</oml:task_type>"
            f'<oml:input name="source_data"><oml:data_set>'
            f"<oml:data_set_id>{entry.dataset}</oml:data_set_id>"
            f"<oml:target_feature>{escape(str(entry.target))}</oml:target_feature>"
            "</oml:data_set></oml:input>"
            '<oml:input name="estimation_procedure"><oml:estimation_procedure>'
            "<oml:id>1</oml:id><oml:type>crossvalidation</oml:type>"
            f"<oml:data_splits_url>{self._root}/api_splits/get/{entry.task}/Task_{entry.task}_splits"
            '.arff</oml:data_splits_url><oml:parameter name="number_repeats">1</oml:parameter>'
            '<oml:parameter name="number_folds">10</oml:parameter>'
            "</oml:estimation_procedure></oml:input></oml:task>"
        )

    def _description(self, entry: Entry) -> str:
        did = entry.dataset
        root = f"http://{entry.host}:{self.port}" if entry.host else self._root
        parts = [
            f"<oml:id>{did}</oml:id><oml:name>{escape(entry.name)}</oml:name>",
            f"<oml:version>{entry.version}</oml:version>",
            f"<oml:description>A table.</oml:description><oml:format>{entry.format}</oml:format>",
            f"<oml:licence>Public</oml:licence><oml:url>{root}/data/v1/download/{did}/table"
            ".arff</oml:url>",
        ]
        if entry.has_parquet:
            path = f"/datasets/{did // 10000:04d}/{did % 10000:04d}/dataset_{did}.pq"
            parts.append(f"<oml:parquet_url>{self._root}{path}</oml:parquet_url>")
        if entry.target is not None:
            parts.append(
                "<oml:default_target_attribute>"
                f"{escape(entry.target)}</oml:default_target_attribute>"
            )
        parts += [
            f"<oml:ignore_attribute>{escape(n)}</oml:ignore_attribute>" for n in entry.ignored
        ]
        if entry.has_checksum:
            digest = hashlib.md5(entry.arff(), usedforsecurity=False).hexdigest()
            parts.append(f"<oml:md5_checksum>{digest}</oml:md5_checksum>")
        return f"<oml:data_set_description {_NAMESPACE}>{''.join(parts)}</oml:data_set_description>"

    def _splits(self, task: int) -> str:
        rows = range(len(self._of_task(task).frame))
        lines = [f"{'TEST' if row % 10 == 0 else 'TRAIN'},{row},0,0" for row in rows]
        kinds = ["type {TRAIN,TEST}", "rowid numeric", "repeat numeric", "fold numeric"]
        head = "".join(f"@attribute {kind}\n" for kind in kinds)
        return f"@relation splits\n\n{head}\n@data\n" + "\n".join(lines) + "\n"

    def _list(self, path: str) -> str:
        words = path.split("/")
        wanted = set(map(int, words[words.index("data_id") + 1].split(",")))
        entries = [entry for entry in self.entries if entry.dataset in wanted]
        if not entries or "offset/0" not in path:
            raise LookupError(372)
        listed = "".join(
            f"<oml:dataset><oml:did>{entry.dataset}</oml:did><oml:name>{escape(entry.name)}"
            f"</oml:name><oml:version>{entry.version}</oml:version><oml:status>active</oml:status>"
            f"<oml:format>{entry.format}</oml:format><oml:file_id>{entry.dataset}</oml:file_id>"
            + "".join(
                f'<oml:quality name="{name}">{value}</oml:quality>'
                for name, value in _facts(entry).items()
            )
            + "</oml:dataset>"
            for entry in entries
        )
        return f"<oml:data {_NAMESPACE}>{listed}</oml:data>"

    @property
    def _root(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: clients that are killed in a download are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    stand_in: StandIn

    def do_GET(self) -> None:
        self._respond()

    def do_HEAD(self) -> None:
        self._respond()

    def log_message(self, *_: object) -> None:
        """Keeps quiet."""

    def _respond(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        # With the query, so that tests see where a key went.
        self.stand_in.note(f"{self.command} {path}?{parts.query}".rstrip("?"))
        fault = self.stand_in.fault_of(self.command, path)
        if fault is not None and fault.kind == "silent":
            self.stand_in._ended.wait()
        if fault is not None and fault.kind in ("silent", "drop"):
            self.close_connection = True
            return
        if fault is not None and fault.kind == "page":
            self._send(fault.body.encode(), "text/html", status=fault.status)
            return
        try:
            if fault is not None and fault.kind == "error":
                raise LookupError(fault.code)
            body, kind = self.stand_in.answer(path)
        except LookupError as error:
            text = (
                f"<oml:error {_NAMESPACE}><oml:code>{error.args[0]}</oml:code>"
                "<oml:message>It went wrong</oml:message></oml:error>"
            )
            self._send(text.encode(), "text/xml; charset=utf-8", status=412)
            return
        self._send(body, kind, fault=fault)

    def _send(
        self, body: bytes, kind: str, *, status: int = 200, fault: Fault | None = None
    ) -> None:
        how = "" if fault is None else fault.kind
        if how == "flip":
            body = body.replace(b"0", b"1")
        if kind.startswith("text") and how != "cut-unannounced":
            body = gzip.compress(body)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if kind.startswith("text") and how != "cut-unannounced":
            self.send_header("Content-Encoding", "gzip")
        if how != "cut-unannounced":
            self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"')
        self.send_header("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT")
        self.end_headers()
        if self.command == "HEAD":
            return
        if how.startswith("cut"):
            # At the end of a line, so that a cut ARFF file is a shorter ARFF file.
            body = body[: body.rfind(b"\n", 0, len(body) // 2) + 1 or len(body) // 2]
        if how == "slow":
            half = len(body) // 2
            self.wfile.write(body[:half])
            self.wfile.flush()
            self.stand_in._ended.wait(30)
            body = body[half:]
        self.wfile.write(body)


def _is_nominal(column: pd.Series[Any]) -> bool:
    return isinstance(column.dtype, pd.CategoricalDtype)


def _elements(name: str, values: list[int]) -> str:
    return "".join(f"<oml:{name}>{value}</oml:{name}>" for value in values)


def _features(entry: Entry) -> str:
    features = []
    for index, (name, column) in enumerate(entry.frame.items()):
        kind = "nominal" if _is_nominal(column) else "numeric"
        levels = list(column.cat.categories) if kind == "nominal" else []
        values = "".join(f"<oml:nominal_value>{escape(str(v))}</oml:nominal_value>" for v in levels)
        features.append(
            f"<oml:feature><oml:index>{index}</oml:index><oml:name>{escape(str(name))}</oml:name>"
            f"<oml:data_type>{kind}</oml:data_type>{values}"
            f"<oml:number_of_missing_values>{int(column.isna().sum())}"
            "</oml:number_of_missing_values></oml:feature>"
        )
    return f"<oml:data_features {_NAMESPACE}>{''.join(features)}</oml:data_features>"


def _qualities(entry: Entry) -> str:
    if not entry.has_qualities:
        raise LookupError(362)
    listed = "".join(
        f"<oml:quality><oml:name>{name}</oml:name><oml:value>{value}</oml:value></oml:quality>"
        for name, value in _facts(entry).items()
    )
    return f"<oml:data_qualities {_NAMESPACE}>{listed}</oml:data_qualities>"


def _facts(entry: Entry) -> dict[str, float]:
    rows, columns = entry.frame.shape
    facts = {"NumberOfInstances": float(rows), "NumberOfFeatures": float(columns)}
    if entry.target in entry.frame:
        facts["NumberOfClasses"] = float(entry.frame[entry.target].nunique())
    return facts


def entries_of(folder: Path) -> list[Entry]:
    """Returns the tables of OpenML-CC18 that a folder holds, by the ids in its index.csv."""
    index = pd.read_csv(folder / "index.csv")
    known = index[index["in_cc18"] & index["openml_task_id"].notna()]
    return [
        Entry(
            dataset=int(row["openml_data_id"]),
            task=int(row["openml_task_id"]),
            name=row["name"],
            frame=pd.read_parquet(folder / f"{row['name']}.parquet"),
            target=row["target"],
        )
        for _, row in known.iterrows()
    ]


def main() -> None:
    """Serves until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--suite", type=int, default=99)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, help="append every request to this file")
    options = parser.parse_args()
    entries = entries_of(options.tables)
    stand_in = StandIn(entries, {options.suite: [entry.task for entry in entries]})
    stand_in.port, stand_in.log = options.port, options.log
    print(stand_in.start().url, flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
