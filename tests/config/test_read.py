from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from autometa.config import StudySpec, TablesSpec, read_spec, spec_from_dict, spec_to_dict
from autometa.errors import UserError

STUDIES = Path(__file__).parents[2] / "studies"


def test_the_example_of_the_design_is_a_study(study_file: Path) -> None:
    """The quickstart file is accepted, and its values arrive."""
    spec = read_spec(study_file)

    assert spec.name == "quickstart"
    assert spec.training.rungs == (250, 500, 1000, 2000)
    assert spec.search.seconds == 300
    assert list(spec.space.branches["column_kernel"]) == [
        "inner_lr",
        "inner_steps",
        "width",
        "depth",
    ]


def test_every_study_of_the_project_is_accepted() -> None:
    """The study files that are shipped say what this version accepts."""
    for path in sorted(STUDIES.glob("*.yaml")):
        assert read_spec(path).version == 1


def test_a_study_survives_plain_values(study_file: Path) -> None:
    """A study that is written as JSON and read back is the same study."""
    spec = read_spec(study_file)

    assert spec_from_dict(json.loads(json.dumps(spec_to_dict(spec)))) == spec


def test_a_conditional_study_survives_plain_values(conditional_study: dict[str, Any]) -> None:
    """A conditional space is written as it was read, in the same order."""
    spec = spec_from_dict(conditional_study)

    again = spec_from_dict(json.loads(json.dumps(spec_to_dict(spec))))

    assert again == spec
    assert list(again.space.branches) == ["maml", "column_kernel"]


def test_sections_may_be_given_as_objects(study: dict[str, Any]) -> None:
    """A dictionary may hold sections that are already validated."""
    tables = TablesSpec.model_validate(study["tables"])

    spec = spec_from_dict({**study, "tables": tables, "space": spec_from_dict(study).space})

    assert spec == spec_from_dict(study)


def test_the_dictionary_is_not_kept(study: dict[str, Any]) -> None:
    """A study does not change when the dictionary that it was made of does."""
    spec = spec_from_dict(study)

    study["learner"]["depth"] = 1
    study["tables"]["train"].clear()

    assert spec.learner == {"name": "column_kernel", "head": "descent"}
    assert len(spec.tables.train) == 1


@pytest.mark.parametrize("data", [None, [], "quickstart.yaml", 3])
def test_a_study_is_a_dictionary(data: Any) -> None:
    """Anything but a dictionary is refused."""
    with pytest.raises(UserError, match=r"a study must be a dictionary of keys and values; got"):
        spec_from_dict(data)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "a study file must be a section of keys and values; it is empty"),
        (b"# only a comment\n", "it is empty"),
        (b"- a\n- b\n", r"must be a section of keys and values; got \['a', 'b'\]"),
        (b"just text", "must be a section of keys and values; got 'just text'"),
        (b"\xff\xfen\x00a\x00", "must be text in UTF-8; byte 0 is not: save it as UTF-8"),
        (b"name: caf\xe9", "must be text in UTF-8; byte 9 is not"),
        (b"PK\x03\x04", "the character .* is not accepted"),
        (b"name: a\nname: b", "study.yaml: line 2: the key 'name' stands twice"),
        (b"# " + b"x" * 1_000_000, "is larger than 1 MB, which no study file is"),
        (b"name: quickstart", "tables is required"),
        (b"version: 7\nnovel: 1", "version must be 1, the only format .*; got 7"),
    ],
)
def test_a_file_that_is_no_study_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    """Empty, binary, huge and broken files each get their sentence, with the file's name."""
    path = tmp_path / "study.yaml"
    path.write_bytes(content)

    with pytest.raises(UserError, match=sentence) as raised:
        read_spec(path)

    assert "study.yaml" in str(raised.value)


def test_a_byte_order_mark_is_ignored(study_file: Path) -> None:
    """A file as Windows editors save it is read."""
    study_file.write_bytes(b"\xef\xbb\xbf" + study_file.read_bytes().replace(b"\n", b"\r\n"))

    assert read_spec(study_file).name == "quickstart"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere is refused with the path and a remedy."""
    with pytest.raises(UserError, match=r"there is no file .*nowhere.yaml; give the path"):
        read_spec(tmp_path / "nowhere.yaml")


def test_a_folder_is_no_study_file(tmp_path: Path) -> None:
    """A folder is told apart from a file."""
    with pytest.raises(UserError, match="is a folder, not a study file; give the path"):
        read_spec(tmp_path)


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "pyproject.toml/study.yaml"])
def test_a_path_that_cannot_be_opened_is_refused(path: str) -> None:
    """A path that the system does not accept is a user's error, not a traceback."""
    with pytest.raises(UserError, match="give the path of a study file"):
        read_spec(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_refused(study_file: Path) -> None:
    """A file without the permission to read it gets the reason."""
    study_file.chmod(0)

    with pytest.raises(UserError, match=r"cannot be read .*ermission"):
        read_spec(study_file)


def test_the_environment_names_the_storage(
    study: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without storage in the file, $AUTOMETA_STORAGE counts, then the journal."""
    del study["storage"]
    monkeypatch.setenv("AUTOMETA_STORAGE", "sqlite:///here.db")
    from_environment = spec_from_dict(study).storage
    monkeypatch.setenv("AUTOMETA_STORAGE", "")

    assert from_environment == "sqlite:///here.db"
    assert spec_from_dict(study).storage == "journal:results/runs/studies.journal"


def test_a_study_is_frozen(study: dict[str, Any]) -> None:
    """No section of a study can be changed."""
    spec = spec_from_dict(study)

    for section, field in [(spec, "name"), (spec.search, "trials"), (spec.space, "branches")]:
        with pytest.raises(ValueError, match="frozen"):
            setattr(section, field, None)


def test_every_field_is_described() -> None:
    """Each key of a study file has a sentence in the schema."""
    schema = StudySpec.model_json_schema()
    sections = {"StudySpec": schema} | schema["$defs"]

    for name, section in sections.items():
        for key, value in section.get("properties", {}).items():
            if key != "source" and name != "SpaceSpec":
                assert value.get("description"), f"{name}.{key}"
