"""``autometa predict``: classes of new rows from a handful of labelled ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autometa.cli._files import check_writable, write_text
from autometa.cli._printing import aligned, clean, log_to_stderr, say, tell

_SHOWN_CLASSES = 10


def predict(
    *,
    support: Annotated[
        Path, typer.Option("--support", metavar="FILE", help="Labelled rows (CSV, Parquet, ARFF).")
    ],
    target: Annotated[
        str,
        typer.Option("--target", metavar="COLUMN", help="Column that holds the classes."),
    ],
    rows: Annotated[Path, typer.Option("--rows", metavar="FILE", help="Rows to predict.")],
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="DIR", help="Export to use; default: the pretrained one."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="CSV to write; default: stdout."),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Also say whether a classical model would do better."),
    ] = False,
) -> None:
    """Adapt to labelled rows and predict new ones, with the probability of each class.

    The new rows also serve as unlabelled ones. The result has one line per row, in their order.
    With --compare, the labelled rows are cross-validated beside classical models.
    """
    if output is not None:
        check_writable(output)

    from autometa.export import compare_csv, predict_csv, verdict

    log_to_stderr()
    # First, so that nothing is written where it cannot be done.
    compared = compare_csv(support, rows, target=target, export=export) if compare else None
    frame = predict_csv(support, rows, target=target, export=export)
    text = frame.to_csv(index=False, lineterminator="\n")
    if output is None:
        tell(text.rstrip("\n"))
    else:
        write_text(output, text)
    classes = [column[2:-1] for column in frame.columns if column != "prediction"]
    shown = ", ".join(classes[:_SHOWN_CLASSES]) + (", ..." if len(classes) > _SHOWN_CLASSES else "")
    note = f"predicted {len(frame)} rows, {len(classes)} classes: {shown}"
    say(clean(note if output is None else f"{note}; wrote {output}"))
    if compared is not None:
        lines = [
            [str(name), f"{100 * row['accuracy']:.0f} %", f"{row['log_loss']:.2f}"]
            for name, row in compared.iterrows()
        ]
        say(clean("\n".join(aligned(["labelled rows left out", "accuracy", "log-loss"], lines))))
        say(clean(verdict(compared)))
