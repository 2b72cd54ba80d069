"""``python -m autometa``: the command line."""

from __future__ import annotations

import sys

from autometa.cli import main

sys.exit(main())
