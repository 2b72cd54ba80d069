"""What every process of a pool does first."""

from __future__ import annotations

import os
import signal
import threading
from multiprocessing import parent_process


def follow_parent() -> None:
    """Leaves interrupts to the parent process, and ends this one when the parent is gone.

    Ctrl-C reaches every process of the terminal's group, and the parent decides what it means. A
    pool whose parent was killed would wait for jobs for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
