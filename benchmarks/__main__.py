"""The benchmarks' command line: `python -m benchmarks skill|footprint`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def skill(
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of Parquet files with a MANIFEST.csv; scikit-learn's tables without.")
    ] = None,
    datasets: Annotated[str, typer.Option(help="Names of tables, with commas between; all without.")] = "",
    seed: int = 0,
    max_rows: Annotated[int, typer.Option(help="Larger tables are cut to this many rows, at random.")] = 200_000,
    output: Annotated[Path | None, typer.Option(help="Folder for skill.md and skill.jsonl.")] = None,
) -> None:
    """Skill kept, bytes and speed of the default student of the default teacher."""
    from benchmarks.problems import problems
    from benchmarks.skill import run

    run(problems(data_dir, datasets.split(",") if datasets else None, max_rows), seed, output)


@app.command()
def footprint(rows: int = 100_000, columns: int = 30) -> None:
    """Import time, and peak memory of a distillation."""
    from benchmarks.footprint import run

    run(rows, columns)


if __name__ == "__main__":
    app()
