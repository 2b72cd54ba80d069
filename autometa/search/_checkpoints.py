"""Where a candidate's training stands, so that a killed worker's trial goes on from its last rung.

One folder per configuration hash:

    progress.json            {"rung": step, "values": {step: value}} of the last finished rung
    rung-<step>.safetensors  the outer loop's tensors at that step

``progress.json`` is replaced last, so that it always names a complete file.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from autometa.logging import get_logger

_logger = get_logger(__name__)
_PROGRESS = "progress.json"


def write_file(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all: temporary name, fsync, rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@dataclass
class Checkpoints:
    """The checkpoint folder of one configuration.

    Attributes:
        folder: where the files are; made when first saved to.
        values: the score at each rung that is done, by outer step.
    """

    folder: Path
    values: dict[int, float] = field(default_factory=dict)

    def load(self) -> dict[str, Tensor] | None:
        """Returns the tensors of the last finished rung and reads ``values``; None if none.

        A damaged checkpoint counts as none: the candidate is then trained from the start, which
        costs time and changes no value.
        """
        try:
            progress = json.loads((self.folder / _PROGRESS).read_text())
            values = {int(step): float(value) for step, value in progress["values"].items()}
            tensors = load_file(self.folder / _rung_name(int(progress["rung"])))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
            _logger.warning("the checkpoint %s is damaged and not used: %s", self.folder, error)
            return None
        self.values = values
        return tensors

    def save(self, step: int, value: float, tensors: dict[str, Tensor]) -> None:
        """Keeps the state at a rung and drops the rung before it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.values[step] = value
        write_file(self.folder / _rung_name(step), save(tensors))
        progress = {"rung": step, "values": {str(key): kept for key, kept in self.values.items()}}
        write_file(self.folder / _PROGRESS, json.dumps(progress).encode())
        for path in self.folder.glob("rung-*.safetensors"):
            if path.name != _rung_name(step):
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Removes the folder; called when the trial is told."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _rung_name(step: int) -> str:
    return f"rung-{step:08d}.safetensors"
