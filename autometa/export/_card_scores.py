"""The scores on a model card: against every baseline, with sign, interval and worst families."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autometa.typing import Setting

if TYPE_CHECKING:
    from autometa.evaluation import ScoreSheet

_WORST = 3
_SEEN_ROWS: dict[str, str] = {
    "inductive": "nothing but the labelled rows is seen",
    "transductive": "the rows to predict are seen, without labels",
    "unlabelled": "further rows of the table are seen, without labels",
}


def scores_section(sheet: ScoreSheet, *, method: str, test_reads: int = 1, drawn: str = "") -> str:
    """Returns the section on test scores, "not tested" where the sheet has none.

    Args:
        sheet: scores; only rows of role ``test`` count.
        method: the learner's name in the sheet.
        test_reads: how many different weights of the study were scored on the test tables.
        drawn: how the episodes were drawn (``drawing``).
    """
    tested = sheet.select(role="test")
    if method not in tested.methods():
        return (
            "## Test score\n\n**Not tested**: the study had no test tables. Scores of the search "
            "itself are not quoted here, because the best of many trials overstates itself."
        )
    settings: list[Setting] = list(dict.fromkeys(setting for setting, _ in tested.cells()))
    tables = tested.frame[["family", "table"]].drop_duplicates()
    parts = [
        "## Test score",
        f"{_reading(test_reads)} on {tables['family'].nunique()} families "
        f"({len(tables)} tables) that had no say in training or search. Figures are means over "
        "families. The best baseline is the single one with the best mean in that column.",
    ]
    parts += [
        _setting_part(tested.select(setting=setting), setting, method, drawn)
        for setting in settings
    ]
    parts.append(_worst_families(tested, method))
    return "\n\n".join(parts)


def _reading(test_reads: int) -> str:
    if test_reads <= 1:
        return "Measured once, after all choices,"
    return (
        f"The test tables were read {test_reads} times in this study, for other weights as well, "
        "so that the score may be too good. Measured"
    )


def _setting_part(sheet: ScoreSheet, setting: Setting, method: str, drawn: str) -> str:
    title = f"### Accuracy, {setting} setting{drawn} ({_SEEN_ROWS[setting]})"
    shots = [shot for _, shot in sheet.cells()]
    baselines = [name for name in sheet.methods() if name != method]
    header = ["", *(f"{shot} per class" for shot in shots)]
    rows = [["families", *(str(_families(sheet, method, shot)) for shot in shots)]]
    rows += [
        [
            f"**{name}**" if name == method else name,
            *(_accuracy(sheet, name, shot) for shot in shots),
        ]
        for name in [method, *baselines]
    ]
    rows.append(
        [
            f"**{method} - logistic_regression** (log-loss, nats)",
            *(_log_loss_gain(sheet, method, shot) for shot in shots),
        ]
    )
    text = markdown_table(header, rows)
    if not baselines:
        return f"{title}\n\n{text}"
    gains = {name: [_gain(sheet, method, name, shot) for shot in shots] for name in baselines}
    best = [_best(sheet, method, shot) for shot in shots]
    compared = [f"{gains[name][column]} over {name}" for column, name in enumerate(best)]
    over = [[name, *texts] for name, texts in [*gains.items(), ("**best baseline**", compared)]]
    return (
        f"{title}\n\n{text}\n\n"
        f"Advantage of {method} in points of accuracy, with 95 % interval "
        f"({_unit(sheet, method, baselines[0])}); above 0, {method} is better:\n\n"
        f"{markdown_table(['over', *header[1:]], over)}\n\n{_lost(sheet, method, best, shots)}"
    )


def _accuracy(sheet: ScoreSheet, name: str, shot: int) -> str:
    if not len(sheet.select(shot=shot, methods=[name])):
        return "-"
    return f"{100 * sheet.mean('accuracy', name, shot=shot):.1f} %"


def _families(sheet: ScoreSheet, method: str, shot: int) -> int:
    return int(sheet.select(shot=shot, methods=[method]).frame["family"].nunique())


def _gain(sheet: ScoreSheet, method: str, over: str, shot: int) -> str:
    if not len(sheet.select(shot=shot, methods=[over])):
        return "-"
    advantage = sheet.advantage(method, over, shot=shot)
    return _interval(100 * advantage.mean, 100 * advantage.low, 100 * advantage.high, digits=1)


def _log_loss_gain(sheet: ScoreSheet, method: str, shot: int) -> str:
    if not len(sheet.select(shot=shot, methods=["logistic_regression"])):
        return "-"
    advantage = sheet.advantage(method, "logistic_regression", metric="log_loss", shot=shot)
    return _interval(advantage.mean, advantage.low, advantage.high, digits=3)


def _interval(mean: float, low: float, high: float, *, digits: int) -> str:
    if math.isnan(low) or math.isnan(high):
        return f"{mean:+.{digits}f} (no interval)"
    return f"{mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def _unit(sheet: ScoreSheet, method: str, over: str) -> str:
    if sheet.advantage(method, over).unit == "families":
        return "bootstrap over families"
    return (
        "bootstrap over episodes, because there are too few families to resample: it says nothing "
        "about other tables"
    )


def _best(sheet: ScoreSheet, method: str, shot: int) -> str:
    return sheet.best_baseline(shot=shot, exclude=[method])


def _lost(sheet: ScoreSheet, method: str, best: list[str], shots: list[int]) -> str:
    lost = [
        f"{shot} per class ({name})"
        for name, shot in zip(best, shots, strict=True)
        if sheet.advantage(method, name, shot=shot).mean < 0
    ]
    if lost:
        return f"The best baseline was better than {method} at {', '.join(lost)}."
    return f"{method} had the better mean against the best baseline at every number of rows."


def _worst_families(sheet: ScoreSheet, method: str) -> str:
    baselines = [name for name in sheet.methods() if name != method]
    if not baselines:
        return "No baseline was scored."
    over = sheet.best_baseline(exclude=[method])
    # Both methods have the same episodes, so that the means are of the same cells.
    differences = sheet.family_means("accuracy", method) - sheet.family_means("accuracy", over)
    worst = differences.dropna().sort_values(kind="stable")
    named = ", ".join(f"{family} {100 * gain:+.1f}" for family, gain in worst.iloc[:_WORST].items())
    behind = int((worst < 0).sum())
    return (
        f"Worst families against {over}, the best baseline over all cells, in points: {named}. "
        f"{method} is behind it on {behind} of {len(worst)} families."
    )


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """Returns rows of cells as a Markdown table.

    >>> print(markdown_table(["method", "1 per class"], [["autometa", "71.5 %"], ["lda", "-"]]))
    | method | 1 per class |
    | --- | --- |
    | autometa | 71.5 % |
    | lda | - |
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
