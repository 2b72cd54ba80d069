"""Where candidates are trained and scored."""

from __future__ import annotations

import torch

from autometa.errors import UserError


def resolve_device(device: str) -> str:
    """Returns ``cuda`` or ``cpu`` for ``auto``, and the given device otherwise.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UserError: this machine does not have the device.

    >>> resolve_device("cpu")
    'cpu'
    >>> resolve_device("cuda:999")
    Traceback (most recent call last):
        ...
    autometa.errors.UserError: training.device must be a device that PyTorch finds ...
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device != "cpu":
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        number = int(device.partition(":")[2] or 0)
        if number >= found:
            has = "it has no CUDA device" if not found else f"it has cuda:0 to cuda:{found - 1}"
            raise UserError(
                f"training.device must be a device that PyTorch finds on this machine; got "
                f"{device!r}, and {has}: set it to auto or cpu"
            )
    return device
