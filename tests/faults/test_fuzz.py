"""Study files, exports, priors and tables that nobody meant: refused in a sentence, or accepted.

Examples are drawn from a fixed seed, so that a run says what the run before it said; set
``AUTOMETA_FUZZ=N`` for N new ones.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from command_line import STUDY
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from autometa.config import read_spec
from autometa.errors import UserError
from autometa.export import read_export
from autometa.export._read import PRETRAINED
from autometa.priors import StudyPrior

Run = Callable[..., Any]

_MOST_SECONDS = 20.0
"""What one example may take on a busy machine; far beyond what any of them does."""

_MORE = int(os.environ.get("AUTOMETA_FUZZ", "0"))


def _fuzz(examples: int) -> settings:
    return settings(
        max_examples=_MORE or examples,
        derandomize=not _MORE,
        database=None,
        deadline=None,
        # Each example has a folder of its own, or leaves the test's as it was.
        suppress_health_check=list(HealthCheck),
    )


_EDGES = [
    *("", " ", "\0", "../../up", "/etc/passwd", "~", "nan", "é" * 3, "a" * 5000, "{0}", "%s"),
    *(0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**30, True, False, None),
    *(0.0, -0.0, 1e-300, 1e308, float("inf"), float("-inf"), float("nan")),
    *([], {}, [[]], [{}], {"": None}, ["a"] * 300),
]
_leaves = st.one_of(st.sampled_from(_EDGES), st.text(max_size=20), st.integers(), st.floats())
_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@st.composite
def _damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Some bytes of a file are cut out, repeated elsewhere, or replaced."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 40)))
        put = draw(st.binary(max_size=12) | st.sampled_from([content[start:end] * 2, b"\n", b": "]))
        content = content[:start] + put + content[end:]
    return content


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all keys and entries of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in items:
        found.append((*path, key))
        if isinstance(item, dict | list):
            found += _paths(item, (*path, key))
    return found


@st.composite
def _changed(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    """Some values of a document are others, are gone, or have a new neighbour."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(_paths(document) or [("name",)]))
        section: Any = document
        for key in path[:-1]:
            section = section[key]
        how = draw(st.sampled_from(["replace", "remove", "add"]))
        if how == "replace":
            section[path[-1]] = draw(_values)
        elif how == "remove":
            del section[path[-1]]
        elif isinstance(section, dict):
            section[draw(st.text(max_size=12))] = draw(_values)
    return document


def _as_yaml(document: Any) -> bytes:
    return yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "surrogatepass")


def _files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def _refused_or_accepted(action: Callable[[], object]) -> None:
    """Nothing but a sentence of a UserError comes out, and soon."""
    began = time.monotonic()
    sentence = "accepted"
    try:
        action()
    except UserError as error:
        sentence = str(error).strip()
    assert sentence
    assert "Traceback" not in sentence
    assert time.monotonic() - began < _MOST_SECONDS


_STUDY = yaml.safe_load(STUDY)


@_fuzz(150)
@given(
    content=st.one_of(
        _damaged(STUDY.encode()), _changed(_STUDY).map(_as_yaml), st.binary(max_size=60)
    )
)
@example(content=b"a: &a [*a, *a]\n")
@example(content=b"a: " + b"[" * 5000)
@example(content=b"? " * 2000)
def test_no_study_file_is_a_traceback(content: bytes, tmp_path: Path) -> None:
    """Whatever a study file holds, it is a study or refused, and nothing is written."""
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    before = _files(tmp_path)

    _refused_or_accepted(lambda: read_spec(path))

    assert _files(tmp_path) == before


_CONFIG = yaml.safe_load((PRETRAINED / "meta_config.yaml").read_text())
_RAW = {name: (PRETRAINED / name).read_bytes() for name in ("meta_config.yaml", "scores.parquet")}
_WEIGHTS = (PRETRAINED / "weights.safetensors").read_bytes()


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A copy of the export that comes with the package."""
    return Path(shutil.copytree(PRETRAINED, tmp_path / "export"))


def _read_all(folder: Path) -> None:
    export = read_export(folder)
    export.learner()
    export.families_seen()
    export.sheet()


@_fuzz(60)
@given(config=_damaged(_RAW["meta_config.yaml"]) | _changed(_CONFIG).map(_as_yaml))
def test_no_configuration_of_an_export_is_a_traceback(config: bytes, export: Path) -> None:
    """Whatever ``meta_config.yaml`` says, the export is read or refused."""
    (export / "meta_config.yaml").write_bytes(config)
    before = _files(export)

    _refused_or_accepted(lambda: _read_all(export))

    assert _files(export) == before


@_fuzz(60)
@given(
    weights=_damaged(_WEIGHTS[:600]).map(lambda head: head + _WEIGHTS[600:]) | st.binary(),
    scores=_damaged(_RAW["scores.parquet"]),
    is_signed=st.booleans(),
)
def test_no_file_of_an_export_is_a_traceback(
    weights: bytes, scores: bytes, is_signed: bool, export: Path
) -> None:
    """Damaged by chance, or on purpose with hashes that fit, weights and scores are refused."""
    before = {"weights.safetensors": _WEIGHTS, "scores.parquet": _RAW["scores.parquet"]}
    config = _RAW["meta_config.yaml"].decode()
    for name, content in (("weights.safetensors", weights), ("scores.parquet", scores)):
        (export / name).write_bytes(content)
        if is_signed:
            old, new = (hashlib.sha256(raw).hexdigest() for raw in (before[name], content))
            config = config.replace(old, new)
    (export / "meta_config.yaml").write_text(config)

    _refused_or_accepted(lambda: _read_all(export))


def _prior() -> StudyPrior:
    study = optuna.create_study(
        study_name="past", sampler=optuna.samplers.RandomSampler(seed=0), direction="maximize"
    )
    for _ in range(8):
        trial = study.ask(_PRIOR_SPACE)
        study.tell(trial, trial.params["rate"] + trial.params["steps"])
    return StudyPrior.learn(study, meta_features={"log10 rows": 2.0})


_PRIOR_SPACE: dict[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-3, 1.0, log=True),
    "steps": IntDistribution(1, 9),
    "head": CategoricalDistribution(["ridge", "descent", None]),
}


@pytest.fixture(scope="module")
def prior_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A prior file as a study writes it."""
    path = tmp_path_factory.mktemp("prior") / "prior.json"
    _prior().save(path)
    return path.read_text()


def _asked(path: Path) -> None:
    prior = StudyPrior.load(path)
    prior.explain(_PRIOR_SPACE)
    for params in prior.suggest(3, _PRIOR_SPACE):
        for name, value in params.items():
            assert _PRIOR_SPACE[name]._contains(_PRIOR_SPACE[name].to_internal_repr(value))


@_fuzz(80)
@given(data=st.data())
def test_no_prior_file_is_a_traceback(data: st.DataObject, prior_text: str, tmp_path: Path) -> None:
    """Whatever a prior file holds, it proposes inside of the space or is refused."""
    changed = _changed(json.loads(prior_text)).map(lambda document: json.dumps(document).encode())
    content = data.draw(_damaged(prior_text.encode()) | changed | st.binary(max_size=60))
    path = tmp_path / "prior.json"
    path.write_bytes(content)
    before = _files(tmp_path)

    _refused_or_accepted(lambda: _asked(path))

    assert _files(tmp_path) == before


_SUPPORT = b"size,colour,kind\n" + b"".join(
    f"{row / 4},{'red' if row % 3 else ''},{'ab'[row % 2]}\n".encode() for row in range(12)
)
_cells = st.one_of(
    st.text(max_size=6), st.sampled_from(["", "?", "1e309", "-0", "nan", "inf", '"', "a", "b"])
)
_tables = st.lists(st.lists(_cells, min_size=1, max_size=4).map(",".join), max_size=8).map(
    lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")
)


@_fuzz(60)
@given(
    support=_damaged(_SUPPORT) | _tables.map(lambda rest: b"size,colour,kind\n" + rest) | _tables,
    rows=_damaged(_SUPPORT) | st.binary(max_size=40) | _tables,
)
@example(support=_SUPPORT, rows=_SUPPORT)
def test_no_table_given_to_predict_is_a_traceback(
    support: bytes, rows: bytes, run: Run, folder: Path
) -> None:
    """Exit code 0 with a result, or 2 with a line and none; no other file is written."""
    Path("support.csv").write_bytes(support)
    Path("rows.csv").write_bytes(rows)
    Path("out.csv").unlink(missing_ok=True)
    began = time.monotonic()

    result = run(
        *("predict", "--support", "support.csv", "--target", "kind"),
        *("--rows", "rows.csv", "-o", "out.csv"),
    )

    assert time.monotonic() - began < _MOST_SECONDS
    assert result.code in (0, 2), result.err
    assert "Traceback" not in result.err
    assert sum(line.startswith("autometa: ") for line in result.err.splitlines()) == (
        result.code == 2
    )
    assert Path("out.csv").exists() == (result.code == 0)
    names = {"support.csv", "rows.csv", "out.csv"} - ({"out.csv"} if result.code else set())
    assert set(_files(folder)) == names
