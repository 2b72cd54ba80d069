"""The device of a study is found before anything is created."""

from __future__ import annotations

import pytest
import torch

from autometa.errors import UserError
from autometa.search import resolve_device


def test_the_processor_is_always_there() -> None:
    """``cpu`` is itself, and ``auto`` is the processor where there is nothing else."""
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("device", "found", "says"),
    [
        ("cuda", 0, "got 'cuda', and it has no CUDA device"),
        ("cuda:2", 2, "got 'cuda:2', and it has cuda:0 to cuda:1"),
    ],
)
def test_a_device_that_is_not_there_is_refused(
    device: str, found: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence says what there is, and what to give instead."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: found > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: found)

    with pytest.raises(UserError, match=says) as caught:
        resolve_device(device)

    assert "set it to auto or cpu" in str(caught.value)


def test_a_device_that_is_there_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices are counted from 0."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    assert [resolve_device(name) for name in ("cuda", "cuda:1")] == ["cuda", "cuda:1"]
