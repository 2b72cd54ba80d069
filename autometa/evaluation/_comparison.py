"""What one method scored, and what two scored on the same episodes, among the rows of a sheet.

R  rows of the sheet    P  rows of one method, or pairs of two
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from autometa.errors import UserError
from autometa.evaluation._layout import Layout
from autometa.evaluation._metrics import LOWER_IS_BETTER, METRICS
from autometa.typing import FloatArray, IntArray, Setting


class Comparison:
    """The layout of a sheet's rows, and their values.

    Args:
        frame: the rows of a score sheet, which are not copied.

    Attributes:
        layout: of the rows.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame
        self.layout = Layout(frame)

    def of_method(
        self, metric: str, method: str, *, setting: Setting | None, shot: int | None
    ) -> tuple[IntArray, FloatArray]:
        """Returns the places of a method's rows, at least one, and their values.

        Raises:
            UserError: the metric is unknown, or the method has no score there.
        """
        require_metric(metric)
        rows_P = self.layout.rows(method, setting=setting, shot=shot)
        if not len(rows_P):
            methods = list(dict.fromkeys(self._frame["method"]))
            raise UserError(
                f"A method must have a score where its mean is asked for; got {method!r} at "
                f"setting={setting}, shot={shot}: choose among {listed(methods)}."
            )
        return rows_P, self._frame[metric].to_numpy()[rows_P]

    def of_pair(
        self, metric: str, method: str, over: str, *, setting: Setting | None, shot: int | None
    ) -> tuple[IntArray, FloatArray]:
        """Returns a method's rows whose episodes another has too, and how much better it is there.

        Raises:
            UserError: the metric is unknown, or the methods have no episode in common.
        """
        own_P, _ = self.of_method(metric, method, setting=setting, shot=shot)
        other_P, _ = self.of_method(metric, over, setting=setting, shot=shot)
        first_P, second_P = self.layout.paired(own_P, other_P)
        if not len(first_P):
            raise UserError(
                f"Methods must be compared on the same episodes; {method!r} and {over!r} have "
                "none in common: score both on the same tasks."
            )
        sign = -1 if metric in LOWER_IS_BETTER else 1
        values_R = self._frame[metric].to_numpy()
        return first_P, sign * (values_R[first_P] - values_R[second_P])


def require_metric(metric: str) -> None:
    """Refuses a metric that sheets do not have.

    Raises:
        UserError: it is none of ``METRICS``.
    """
    if metric not in METRICS:
        raise UserError(
            f"A metric must be one of {', '.join(METRICS)}; got {metric!r}: choose from these."
        )


def listed(names: Sequence[str]) -> str:
    """Returns names for a sentence."""
    return ", ".join(names) if names else "nothing"
