"""The first signal asks a command to end, the second one ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from textwrap import dedent

import pytest

from autometa.cli._signals import StopSignals
from autometa.errors import RunError, StoppedError


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_sets_the_event_and_the_exit_code(
    number: signal.Signals, code: int
) -> None:
    """A StoppedError that follows carries the code of the signal; handlers are put back."""
    before = signal.getsignal(number)

    with pytest.raises(StoppedError) as caught, StopSignals() as signals:  # noqa: PT012
        os.kill(os.getpid(), number)
        assert _comes(signals.event)
        raise StoppedError("stopped")

    assert caught.value.exit_code == code
    assert signal.getsignal(number) == before


def test_ctrl_c_in_a_terminal_leaves_pools_alone(environment: dict[str, str]) -> None:
    """The signal reaches the whole group; processes of a pool end with the command, silently."""
    program = dedent(
        """
        import os, signal, time
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context
        from autometa.cli._signals import StopSignals
        from autometa.errors import RunError
        with StopSignals() as signals:
            with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
                jobs = [pool.submit(time.sleep, 0.2) for _ in range(4)]
                os.killpg(os.getpgrp(), signal.SIGINT)
                for job in jobs:
                    job.result()
            assert signals.event.wait(5)
            print("all done", flush=True)
        """
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "all done\n", "")


def test_a_failure_after_a_signal_counts_as_the_stop() -> None:
    """What breaks because everything is ending is not reported as the reason."""
    with (  # noqa: PT012
        pytest.raises(StoppedError, match="run the same command to go on") as caught,
        StopSignals() as signals,
    ):
        os.kill(os.getpid(), signal.SIGTERM)
        assert _comes(signals.event)
        raise RunError("a worker died")

    assert caught.value.exit_code == 143


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_the_second_signal_ends_the_process_at_once(
    number: str, code: int, environment: dict[str, str]
) -> None:
    """Nothing that follows the second signal is run."""
    program = dedent(
        f"""
        import os, signal, time
        from autometa.cli._signals import StopSignals
        with StopSignals() as signals:
            os.kill(os.getpid(), signal.{number})
            signals.event.wait(5)
            print("asked", flush=True)
            os.kill(os.getpid(), signal.{number})
            time.sleep(5)
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


def _comes(event: threading.Event) -> bool:
    """Returns whether an event is set within five seconds.

    Not by waiting for it: a thread of the test runner may get the signal, and Python then calls
    the handler between two steps of this one.
    """
    deadline = time.monotonic() + 5
    while not event.is_set() and time.monotonic() < deadline:
        time.sleep(0.01)
    return event.is_set()
