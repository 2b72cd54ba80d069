"""The command ``autometa`` and its subcommands; nothing heavy is imported before one runs."""

from __future__ import annotations

from typing import Annotated

import typer

from autometa.cli._archive import archive, delete
from autometa.cli._dashboard import dashboard
from autometa.cli._doctor import doctor
from autometa.cli._evaluate import evaluate
from autometa.cli._export import export
from autometa.cli._predict import predict
from autometa.cli._printing import tell
from autometa.cli._priors import priors
from autometa.cli._report import report
from autometa.cli._studies import show, studies
from autometa.cli._tables import tables
from autometa.cli._tune import tune
from autometa.cli._worker import worker

app = typer.Typer(
    name="autometa",
    help="Searches meta-parameters of few-shot learners for tables and exports a classifier.",
    epilog="Start with: autometa tune studies/quickstart.yaml",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and end.")] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show tracebacks of errors (also AUTOMETA_DEBUG=1)."),
    ] = False,
) -> None:
    del debug  # taken from the arguments before they are parsed, so that it may stand anywhere
    if version:
        from importlib.metadata import version as installed_version

        tell(f"autometa {installed_version('autometa')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        tell(context.get_help())


app.command("tune", epilog="Example: autometa tune studies/quickstart.yaml --trials 10")(tune)
app.command("worker", epilog="Example: autometa worker quickstart")(worker)
app.command("studies", epilog="Example: autometa studies --json")(studies)
app.command("show", epilog="Example: autometa show quickstart --csv > trials.csv")(show)
app.command("dashboard", epilog="Example: autometa dashboard quickstart --port 8081")(dashboard)
app.command("report", epilog="Example: autometa report quickstart -o quickstart.html")(report)
app.command("export", epilog="Example: autometa export quickstart -o my_classifier")(export)
app.command(
    "predict",
    epilog="Example: autometa predict --support labelled.csv --target species --rows new.csv",
)(predict)
app.command(
    "evaluate",
    epilog="Example: autometa evaluate --export my_classifier --tables sklearn:iris --shots 1,5",
)(evaluate)
app.command("archive", epilog="Example: autometa archive quickstart -o quickstart.zip")(archive)
app.command("delete", epilog="Example: autometa delete quickstart --yes")(delete)
app.command("doctor", epilog="Example: autometa doctor --json")(doctor)
app.add_typer(priors, name="priors")
app.add_typer(tables, name="tables")
