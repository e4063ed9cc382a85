"""Measure tabkd beside what a user would do instead: `python -m benchmarks COMMAND`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, help=__doc__)


DataDir = Annotated[
    Path | None, typer.Option(help="Folder of Parquet files with a MANIFEST.csv; scikit-learn's tables without.")
]
OpenML = Annotated[
    bool, typer.Option("--openml", help="Fetch tables from openml.org; --datasets adult:2,letter:1 says which.")
]
Datasets = Annotated[str, typer.Option(help="Names of tables, with commas between; all without.")]
MaxRows = Annotated[int, typer.Option(help="Larger tables are cut to this many rows, at random.")]
Output = Annotated[
    Path | None, typer.Option(help="Folder for the records, the tables and the plot; what is in it is not done again.")
]
Quick = Annotated[bool, typer.Option("--quick", help="A small version of it, to see that it works.")]


@app.command()
def fidelity(
    data_dir: DataDir = None,
    openml: OpenML = False,
    datasets: Datasets = "",
    seeds: Annotated[int, typer.Option(min=1, help="Splits of each table.")] = 3,
    max_rows: MaxRows = 100_000,
    output: Output = None,
    autogluon: Annotated[
        Path | None,
        typer.Option(help="Folder for a virtual environment with AutoGluon, made where it is not there; else without."),
    ] = None,
    time_limit: Annotated[int, typer.Option(help="Seconds that AutoGluon may take to fit its ensemble.")] = 120,
    quick: Quick = False,
) -> None:
    """Skill kept by the teacher's students, and by what a user would do instead, on every table."""
    from benchmarks import fidelity, fidelity_tables
    from benchmarks.problems import problems
    from benchmarks.runs import Runs

    if quick:
        seeds, max_rows, datasets = 1, 1000, datasets or ("" if data_dir else "breast_cancer,diabetes")
    runs = Runs(output, "fidelity")
    tables = problems(data_dir, datasets.split(",") if datasets else None, max_rows, openml)
    fidelity.run(tables, seeds, runs, autogluon, time_limit)
    print(fidelity_tables.write(runs))


@app.command()
def ablation(
    data_dir: DataDir = None,
    openml: OpenML = False,
    datasets: Datasets = "",
    seeds: Annotated[int, typer.Option(min=1, help="Splits of each table.")] = 1,
    max_rows: MaxRows = 40_000,
    variant: Annotated[
        list[str] | None, typer.Option(help="A variant beside its student's default; may be repeated, all without.")
    ] = None,
    output: Output = None,
) -> None:
    """Evidence for the defaults: one lever moved at a time, on rows held out of the training rows."""
    from benchmarks.ablation import run
    from benchmarks.problems import problems
    from benchmarks.runs import Runs

    tables = problems(data_dir, datasets.split(",") if datasets else None, max_rows, openml)
    print(run(tables, seeds, Runs(output, "ablation"), variant))


@app.command()
def speed(output: Output = None, quick: Quick = False) -> None:
    """Rows per second and latency of the students, of the teacher, and of the teacher compiled."""
    from benchmarks.speed import run

    print(run(output, quick))


@app.command()
def score(data_dir: DataDir = None, output: Output = None, quick: Quick = False) -> None:
    """Rows per second and memory of batch scoring, from file to file."""
    from benchmarks.score import run

    print(run(data_dir, output, quick))


@app.command()
def start(output: Output = None, quick: Quick = False) -> None:
    """Seconds of a small job of `tabkd score`, beside the imports that it cannot do without."""
    from benchmarks.start import run

    print(run(output, quick))


@app.command()
def cost(
    output: Output = None,
    quick: Quick = False,
    most_values: Annotated[int, typer.Option(help="Rows × columns of the largest table that is tried.")] = 300_000_000,
) -> None:
    """Import time; seconds and peak memory of a distillation by its stages, over rows and columns."""
    from benchmarks.cost import run

    print(run(output, quick, most_values))


@app.command()
def article(seeds: Annotated[int, typer.Option(min=1)] = 20, output: Output = None, quick: Quick = False) -> None:
    """The published example of ensemble distillation, over many seeds."""
    from benchmarks.article import run

    print(run(output, seeds, quick))


if __name__ == "__main__":
    app()
