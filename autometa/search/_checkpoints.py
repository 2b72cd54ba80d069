"""Where a candidate's training stands, so that a killed worker's trial goes on from its last rung.

One folder per configuration hash:

    progress.json            {"version": 1, "rung": step, "values": {step: value},
                              "sha256": of the tensors}
    rung-<step>.safetensors  the outer loop's tensors at that step

``progress.json`` is replaced last, so that it always names a complete file.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from autometa.atomic import write_atomically
from autometa.logging import get_logger

CHECKPOINT_VERSION = 1
"""Counts up when the files change; a checkpoint of another version is trained again."""

_logger = get_logger(__name__)
_PROGRESS = "progress.json"


def write_file(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all."""
    write_atomically(path, lambda file: file.write(data))


def require_version(document: dict[str, Any], version: int) -> None:
    """Refuses a document of another version; one without a version is of the first.

    Raises:
        ValueError: it is of another version.
    """
    stated = document.get("version", 1)
    if stated != version:
        raise ValueError(f"it is of version {stated}, and this autometa reads version {version}")


@dataclass
class Checkpoints:
    """The checkpoint folder of one configuration.

    Attributes:
        folder: where the files are; made when first saved to.
        values: the score at each rung that is done, by outer step.
    """

    folder: Path
    values: dict[int, float] = field(default_factory=dict)

    def load(self, rungs: Sequence[int] = ()) -> dict[str, Tensor] | None:
        """Returns the tensors of the last finished rung and reads ``values``; None if none.

        A checkpoint that is damaged or of another version counts as none: the candidate is then
        trained from the start, which costs time and changes no value.

        Args:
            rungs: outer steps whose values are needed, as far as they lie behind the checkpoint.
        """
        self.values = {}
        try:
            progress = json.loads((self.folder / _PROGRESS).read_text())
            require_version(progress, CHECKPOINT_VERSION)
            step = int(progress["rung"])
            values = {int(key): float(value) for key, value in progress["values"].items()}
            tensors = (self.folder / _rung_name(step)).read_bytes()
            if hashlib.sha256(tensors).hexdigest() != progress["sha256"]:
                raise ValueError("its tensors are not those that were written")
            if not all(map(math.isfinite, values.values())):
                raise ValueError("a value is not finite")
            loaded = load(tensors)
        except FileNotFoundError:
            return None
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            SafetensorError,
        ) as error:
            _logger.warning("the checkpoint %s is unreadable and not used: %s", self.folder, error)
            return None
        if any(rung <= step and rung not in values for rung in rungs):
            # Left by a training that was not scored at every rung.
            return None
        self.values = values
        return loaded

    def save(self, step: int, value: float, tensors: dict[str, Tensor]) -> None:
        """Keeps the state at a rung and drops the rung before it.

        A disk that is full does not end the trial: all that is lost is time, should the worker be
        killed. Where another worker trains the same configuration, the further one is kept.
        """
        self.values[step] = value
        try:
            if self._rung_on_disk() > step:
                return
            self.folder.mkdir(parents=True, exist_ok=True)
            content = save(tensors)
            write_file(self.folder / _rung_name(step), content)
            progress = {
                "version": CHECKPOINT_VERSION,
                "rung": step,
                "values": {str(key): kept for key, kept in self.values.items()},
                "sha256": hashlib.sha256(content).hexdigest(),
            }
            write_file(self.folder / _PROGRESS, json.dumps(progress).encode())
            for path in self.folder.glob("rung-*.safetensors"):
                if path.name < _rung_name(step):
                    path.unlink(missing_ok=True)
        except OSError as error:
            _logger.warning("the checkpoint %s cannot be kept: %s", self.folder, error)

    def _rung_on_disk(self) -> int:
        try:
            progress = json.loads((self.folder / _PROGRESS).read_text())
            require_version(progress, CHECKPOINT_VERSION)
            return int(progress["rung"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return 0

    def remove(self) -> None:
        """Removes the folder; called when the trial is told."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _rung_name(step: int) -> str:
    return f"rung-{step:08d}.safetensors"
