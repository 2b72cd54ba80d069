"""What an earlier release wrote is read by the code of today, and what a later one wrote is not.

``tests/assets/README.md`` says how the samples were made.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from pyarrow import parquet

import autometa
from autometa.config import OpenmlSource, read_spec
from autometa.episodes import evaluation_episodes
from autometa.errors import UserError
from autometa.evaluation import EvaluationTask, ScoreSheet, _baseline_cache, score_baselines
from autometa.export import read_export
from autometa.learners import OuterLoop, build_learner
from autometa.priors import StudyPrior
from autometa.search import (
    Confirmed,
    _confirm,
    candidate_config,
    leaderboard,
    load_spec,
    snapshot,
)
from autometa.search._checkpoints import Checkpoints
from autometa.storages import load_study, open_storage, spent_seconds, study_fingerprint
from autometa.tables import ScaledTable, Table, _load_scaled, load_scaled, load_source, make_table

SAMPLES = Path(__file__).parent / "assets" / "0.1.0"
PARAMS = {"inner_lr": pytest.approx(0.0545371, abs=1e-6), "width": 8}
CONFIRMED = pytest.approx(-0.00680701, abs=1e-6)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of the samples, because a storage puts its locks beside the journal."""
    return Path(shutil.copytree(SAMPLES, tmp_path / "old"))


@pytest.fixture
def fruit() -> Table:
    """The table that the samples were made of."""
    return make_table("fruit", pd.read_csv(SAMPLES / "fruit.csv"), target="state", source="files")


@pytest.fixture
def task(fruit: Table, old: Path) -> EvaluationTask:
    """The episodes that the winner of the samples was confirmed on."""
    table = load_scaled(fruit, old / "cache")
    episodes = evaluation_episodes(
        table.y_R, table.sha256, shot=2, count=2, ways=2, queries=4, seed=24301
    )
    return EvaluationTask(
        table=table, episodes=episodes, shot=2, setting="unlabelled", role="validation", seed=24301
    )


def test_an_old_export_predicts_as_it_did() -> None:
    """Configuration, weights and provenance are read, and adapt to rows with the same result."""
    frame = pd.read_csv(SAMPLES / "fruit.csv")
    rows, states = frame.drop(columns="state"), frame["state"]

    classifier = autometa.load(SAMPLES / "export").fit(rows[:8], states[:8])
    predicted = classifier.predict_proba(rows[8:11])

    expected = [[0.7572744, 0.2427256], [0.2433966, 0.7566034], [0.8408626, 0.1591374]]
    assert list(classifier.classes_) == ["raw", "ripe"]
    np.testing.assert_allclose(predicted, expected, rtol=0, atol=1e-5)
    export = read_export(SAMPLES / "export")
    assert (export.config.name, export.config.width, export.provenance["trial"]) == ("fomaml", 8, 2)
    assert export.families_seen() == {"fruit#c9b71e1f"}


def test_old_scores_give_the_same_figures() -> None:
    """Rows, means and the value of a score sheet are those that were quoted."""
    sheet = ScoreSheet.from_parquet(SAMPLES / "export" / "scores.parquet")

    assert len(sheet) == 2 * 10
    assert sheet.value("autometa") == CONFIRMED
    assert sheet.mean("accuracy", "knn", setting="unlabelled", shot=2) == 0.75


def test_an_old_study_is_read_in_full(old: Path) -> None:
    """Specification, fingerprint, trials, winner and seconds are those that were written."""
    study = load_study(open_storage(f"journal:{old / 'studies.journal'}"), "tiny")
    spec = load_spec(study)

    assert spec == read_spec(old / "tiny.yaml", ["training.reuse=1"])
    assert study_fingerprint(study)["table_hashes"]["validation"] == {"fruit": "c9b71e1f39dcf6df"}
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE"] * 4
    assert study.best_trial.params == PARAMS
    assert study.best_trial.intermediate_values == {2: 0.0601104, 4: 0.0600331}
    winner = {"trial": 2, "seed_index": 0, "value": CONFIRMED}
    assert study.user_attrs["autometa:winner"] == winner
    assert study.user_attrs["autometa:finalists"]["trials"] == [2]
    assert 1 < spent_seconds(study) < 60
    assert snapshot(study, spec).done == 4
    assert leaderboard(study)["best_baseline"].tolist()[:2] == ["knn", "knn"]


def test_an_old_checkpoint_is_gone_on_from(old: Path) -> None:
    """The outer loop takes the tensors, and the values of the rungs behind it are known."""
    [folder] = (old / "checkpoints").iterdir()
    checkpoints = Checkpoints(folder)
    spec = read_spec(old / "tiny.yaml")
    learner = build_learner(candidate_config(spec, {"inner_lr": 0.1, "width": 8}), seed=1)
    loop = OuterLoop(learner, lambda _: pytest.fail("trained"), outer_steps=4, outer_lr=2e-3)

    tensors = checkpoints.load((2, 4))

    assert tensors is not None
    loop.load_state(tensors)
    loop.run_until(4)
    assert checkpoints.values == {2: 0.0601104, 4: 0.0600331}
    weights = torch.cat([weight.detach().ravel() for weight in loop.averaged().parameters()])
    assert weights.abs().sum().item() == pytest.approx(19.177696, abs=1e-4)


def test_an_old_confirmation_is_used_again(old: Path) -> None:
    """Value, weights and scores of a confirmation are read, and are those of the export."""
    [folder] = (old / "confirm").iterdir()
    export = read_export(old / "export")

    value = _confirm._known_value(folder)

    assert value == CONFIRMED
    run = Confirmed(2, 0, float(value), folder, export.config)
    assert run.sheet().methods() == ["autometa"]
    assert _plain(run.learner().state_dict()) == _plain(export.learner().float().state_dict())


def test_an_old_cache_entry_spares_the_encoding(
    fruit: Table, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table is known by its contents, and comes from the cache as it was encoded."""
    expected = load_scaled(fruit, old / "elsewhere")
    monkeypatch.setattr(_load_scaled, "encode_table", lambda _: pytest.fail("encoded"))

    table: ScaledTable = load_scaled(fruit, old / "cache")

    np.testing.assert_allclose(table.x_RFH, expected.x_RFH, rtol=0, atol=1e-6)
    assert np.array_equal(table.values_RF, expected.values_RF, equal_nan=True)
    assert table.class_names == ("raw", "ripe")


def test_old_tables_of_openml_spare_the_network(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite that was fetched is read as it was, encoded or not."""
    monkeypatch.setenv("AUTOMETA_OFFLINE", "1")
    monkeypatch.delenv("AUTOMETA_OPENML_SERVER")
    frame = pd.read_csv(SAMPLES / "fruit.csv").astype({"state": "category"})

    (table,), skipped = load_source(OpenmlSource(suite=99), old / "cache")

    assert (table.name, table.family, table.source) == ("fruit", "fruit", "openml")
    assert table.sha256 == make_table("", frame, target="state", source="files").sha256
    assert len(skipped) == 1
    assert "code 111" in skipped[0].reason


def test_old_baseline_scores_spare_the_baselines(
    task: EvaluationTask, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores in the cache are those of the score sheet that was made with them."""
    _put_under_its_key(task, old)
    monkeypatch.setattr(_baseline_cache, "_score", lambda *_: pytest.fail("computed"))

    scores = score_baselines([task], old / "cache").frame

    stored = ScoreSheet.from_parquet(old / "export" / "scores.parquet").frame
    merged = scores.merge(stored, on=["episode", "method"], suffixes=("", "_stored"))
    assert len(merged) == len(scores) == 2 * 9
    assert merged["log_loss"].tolist() == merged["log_loss_stored"].tolist()


def _newer_export(old: Path) -> object:
    path = old / "export" / "meta_config.yaml"
    path.write_text(path.read_text().replace("schema_version: 1", "schema_version: 4"))
    return read_export(path.parent)


def _newer_sheet(old: Path) -> object:
    path = old / "newer.parquet"
    table = parquet.read_table(old / "export" / "scores.parquet")
    metadata = table.schema.metadata | {b"autometa.score_sheet": b"2"}
    parquet.write_table(table.replace_schema_metadata(metadata), path)
    return ScoreSheet.from_parquet(path)


def _newer_study(old: Path) -> object:
    path = old / "studies.journal"
    path.write_text(path.read_text().replace('"autometa:schema":1', '"autometa:schema":2'))
    return load_study(open_storage(f"journal:{path}"), "tiny")


def _newer_study_file(old: Path) -> object:
    path = old / "tiny.yaml"
    path.write_text(path.read_text().replace("version: 1", "version: 2"))
    return read_spec(path)


@pytest.mark.parametrize("read", [_newer_export, _newer_sheet, _newer_study, _newer_study_file])
def test_what_a_newer_release_wrote_is_refused(read: Callable[[Path], object], old: Path) -> None:
    """The refusal is one line that names the version and what to do."""
    with pytest.raises(UserError, match=r"version [234]\b|got 2$") as told:
        read(old)

    assert "\n" not in str(told.value)
    assert re.search("(newer|upgrade) autometa|install the release", str(told.value))


def test_checkpoints_of_a_newer_release_are_trained_again(
    old: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A checkpoint or confirmation of another version counts as none, and may be replaced."""
    [checkpoint], [run] = (old / "checkpoints").iterdir(), (old / "confirm").iterdir()
    for path in (checkpoint / "progress.json", run / "result.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 2}))

    assert Checkpoints(checkpoint).load() is None
    assert _confirm._known_value(run) is None
    assert caplog.text.count("it is of version 2, and this autometa reads version 1") == 2
    Checkpoints(checkpoint).save(2, 0.5, {"counters": torch.tensor([2, 0])})
    assert Checkpoints(checkpoint).load() is not None


def test_cache_entries_of_another_version_are_built_again(
    task: EvaluationTask, fruit: Table, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions are part of the keys, so that entries of another one are not even opened."""
    _put_under_its_key(task, old)
    monkeypatch.setattr(_load_scaled, "ENCODING_VERSION", _load_scaled.ENCODING_VERSION + 1)
    monkeypatch.setattr(_baseline_cache, "CACHE_VERSION", _baseline_cache.CACHE_VERSION + 1)
    before = set((old / "cache").rglob("*"))

    load_scaled(fruit, old / "cache")
    score_baselines([task], old / "cache")

    new = {path.name for path in set((old / "cache").rglob("*")) - before}
    assert f"table-v{_load_scaled.ENCODING_VERSION}-{fruit.sha256}" in new
    assert len([name for name in new if name.endswith(".npz")]) == 1


def _put_under_its_key(task: EvaluationTask, old: Path) -> None:
    # The key names the installed scikit-learn, which need not be the one that wrote the sample.
    [path] = (old / "cache" / "baselines").iterdir()
    path.rename(
        path.with_name(f"{_baseline_cache._key(task, _baseline_cache._names(task, None))}.npz")
    )


def _plain(tensors: dict[str, torch.Tensor]) -> dict[str, list[float]]:
    return {name: tensor.tolist() for name, tensor in tensors.items()}


def test_an_old_prior_proposes_what_it_did() -> None:
    """Its source is whole, and the first proposal is the same."""
    prior = StudyPrior.load(SAMPLES / "prior.json")
    space = {
        "rate": FloatDistribution(1e-3, 1.0, log=True),
        "steps": IntDistribution(1, 9),
        "head": CategoricalDistribution(["ridge", "descent", None]),
    }

    [source] = prior.sources
    [first] = prior.suggest(1, space)

    assert (source.name, source.trials, source.meta_features) == ("old", 12, {"log10 rows": 2.0})
    assert first == {"rate": pytest.approx(0.001), "steps": 3, "head": "ridge"}
