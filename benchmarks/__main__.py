"""The benchmarks' command line: `python -m benchmarks skill|defaults|footprint`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, help=__doc__)


DataDir = Annotated[
    Path | None, typer.Option(help="Folder of Parquet files with a MANIFEST.csv; scikit-learn's tables without.")
]
Datasets = Annotated[str, typer.Option(help="Names of tables, with commas between; all without.")]
MaxRows = Annotated[int, typer.Option(help="Larger tables are cut to this many rows, at random.")]


@app.command()
def skill(
    data_dir: DataDir = None,
    datasets: Datasets = "",
    seed: int = 0,
    max_rows: MaxRows = 200_000,
    output: Annotated[Path | None, typer.Option(help="Folder for skill.md and skill.jsonl.")] = None,
) -> None:
    """Skill kept, bytes and speed of the default student of the default teacher."""
    from benchmarks.problems import problems
    from benchmarks.skill import run

    run(problems(data_dir, datasets.split(",") if datasets else None, max_rows), seed, output)


@app.command()
def defaults(data_dir: DataDir = None, datasets: Datasets = "", seed: int = 0, max_rows: MaxRows = 40_000) -> None:
    """Evidence for the defaults: one parameter changed at a time, on rows held out of the training rows."""
    from benchmarks.defaults import run
    from benchmarks.problems import problems

    run(problems(data_dir, datasets.split(",") if datasets else None, max_rows), seed)


@app.command()
def footprint(rows: int = 100_000, columns: int = 30) -> None:
    """Import time, and peak memory of a distillation."""
    from benchmarks.footprint import run

    run(rows, columns)


if __name__ == "__main__":
    app()
