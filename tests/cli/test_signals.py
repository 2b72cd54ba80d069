"""The first signal asks a command to end, the second one ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from textwrap import dedent

import pytest

from autometa.cli._signals import StopSignals
from autometa.errors import StoppedError


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_sets_the_event_and_the_exit_code(
    number: signal.Signals, code: int
) -> None:
    """A StoppedError that follows carries the code of the signal; handlers are put back."""
    before = signal.getsignal(number)

    with pytest.raises(StoppedError) as caught, StopSignals() as signals:  # noqa: PT012
        os.kill(os.getpid(), number)
        assert signals.event.is_set()
        raise StoppedError("stopped")

    assert caught.value.exit_code == code
    assert signal.getsignal(number) == before


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_the_second_signal_ends_the_process_at_once(
    number: str, code: int, environment: dict[str, str]
) -> None:
    """Nothing that follows the second signal is run."""
    program = dedent(
        f"""
        import os, signal, time
        from autometa.cli._signals import StopSignals
        with StopSignals():
            os.kill(os.getpid(), signal.{number})
            print("asked", flush=True)
            os.kill(os.getpid(), signal.{number})
            print("still here", flush=True)
        """
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == code
    assert done.stdout == "asked\n"
