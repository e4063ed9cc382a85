"""Measure tabkd beside what a user would do instead: `python -m benchmarks COMMAND`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

app = click.Group(help=__doc__, context_settings={"show_default": True})

_folder = click.Path(path_type=Path)
data_dir_option = click.option(
    "--data-dir", type=_folder, help="Folder of Parquet files with a MANIFEST.csv; scikit-learn's tables without."
)
openml_option = click.option(
    "--openml", is_flag=True, help="Fetch tables from openml.org; --datasets adult:2,letter:1 says which."
)
datasets_option = click.option(
    "--datasets", default="", show_default=False, help="Names of tables, with commas between; all without."
)
output_option = click.option(
    "--output",
    type=_folder,
    help="Folder for the records, the tables and the plot; what is in it is not done again.",
)
quick_option = click.option("--quick", is_flag=True, help="A small version of it, to see that it works.")


def seeds_option(default: int) -> Callable:
    return click.option("--seeds", type=click.IntRange(min=1), default=default, help="Splits of each table.")


def max_rows_option(default: int) -> Callable:
    return click.option("--max-rows", default=default, help="Larger tables are cut to this many rows, at random.")


@app.command()
@data_dir_option
@openml_option
@datasets_option
@seeds_option(3)
@max_rows_option(100_000)
@output_option
@click.option(
    "--autogluon",
    type=_folder,
    help="Folder for a virtual environment with AutoGluon, made where it is not there; else without.",
)
@click.option(
    "--realmlp", type=_folder, help="Folder for a virtual environment with pytabkit, as for AutoGluon; else without."
)
@click.option("--time-limit", default=120, help="Seconds that AutoGluon may take to fit its ensemble.")
@click.option(
    "--teacher",
    type=click.Choice(["default", "autogluon"]),
    default="default",
    help="Whose skill is to be kept; autogluon needs --autogluon.",
)
@click.option("--preset", default="medium", help="AutoGluon's presets, where it is the teacher: medium, best, ...")
@quick_option
def fidelity(
    data_dir: Path | None,
    openml: bool,
    datasets: str,
    seeds: int,
    max_rows: int,
    output: Path | None,
    autogluon: Path | None,
    realmlp: Path | None,
    time_limit: int,
    teacher: str,
    preset: str,
    quick: bool,
) -> None:
    """Skill kept by the teacher's students, and by what a user would do instead, on every table."""
    from benchmarks import autogluon_teacher, fidelity, fidelity_tables
    from benchmarks.problems import problems
    from benchmarks.runs import Runs

    if quick:
        seeds, max_rows, datasets = 1, 1000, datasets or ("" if data_dir else "breast_cancer,diabetes")
    tables = problems(data_dir, datasets.split(",") if datasets else None, max_rows, openml)
    if teacher == "autogluon":
        if autogluon is None:
            raise click.UsageError("--teacher autogluon needs a virtual environment: give --autogluon FOLDER.")
        print(autogluon_teacher.run(tables, seeds, Runs(output, "strongest"), autogluon, time_limit, preset))
        return
    runs = Runs(output, "fidelity")
    fidelity.run(tables, seeds, runs, autogluon, time_limit, realmlp)
    print(fidelity_tables.write(runs))


@app.command()
@data_dir_option
@openml_option
@datasets_option
@seeds_option(1)
@max_rows_option(40_000)
@click.option("--variant", multiple=True, help="A variant beside its student's default; may be repeated, all without.")
@output_option
def ablation(
    data_dir: Path | None,
    openml: bool,
    datasets: str,
    seeds: int,
    max_rows: int,
    variant: Sequence[str],
    output: Path | None,
) -> None:
    """Evidence for the defaults: one lever moved at a time, on rows held out of the training rows."""
    from benchmarks.ablation import run
    from benchmarks.problems import problems
    from benchmarks.runs import Runs

    tables = problems(data_dir, datasets.split(",") if datasets else None, max_rows, openml)
    print(run(tables, seeds, Runs(output, "ablation"), list(variant) or None))


@app.command()
@data_dir_option
@datasets_option
@seeds_option(1)
@max_rows_option(20_000)
@click.option("--student", multiple=True, help="A student to measure; may be repeated, all without.")
@output_option
@quick_option
def monotone(
    data_dir: Path | None,
    datasets: str,
    seeds: int,
    max_rows: int,
    student: Sequence[str],
    output: Path | None,
    quick: bool,
) -> None:
    """Skill kept with and without the teacher's monotone constraints, and rows that go against them."""
    from benchmarks.monotone import run
    from benchmarks.problems import problems
    from benchmarks.runs import Runs

    if quick:
        max_rows, datasets = 1000, datasets or ("" if data_dir else "breast_cancer,diabetes")
    tables = problems(data_dir, datasets.split(",") if datasets else None, max_rows)
    print(run(tables, seeds, Runs(output, "monotone"), list(student) or None))


@app.command()
@data_dir_option
@datasets_option
@seeds_option(1)
@max_rows_option(20_000)
@click.option(
    "--teacher",
    multiple=True,
    type=click.Choice(["lightgbm", "xgboost"]),
    default=["lightgbm"],
    help="A library of the teachers; may be repeated.",
)
@click.option("--student", multiple=True, help="A student to measure; may be repeated, all without.")
@output_option
@quick_option
def deviance(
    data_dir: Path | None,
    datasets: str,
    seeds: int,
    max_rows: int,
    teacher: Sequence[str],
    student: Sequence[str],
    output: Path | None,
    quick: bool,
) -> None:
    """Deviance kept with teachers of Poisson, Tweedie and Gamma losses, and answers that are not above zero."""
    from benchmarks.deviance import run
    from benchmarks.problems import problems
    from benchmarks.runs import Runs
    from tabkd.students import STUDENTS

    if quick:
        max_rows, datasets = 1000, datasets or ("" if data_dir else "diabetes")
    tables = problems(data_dir, datasets.split(",") if datasets else None, max_rows)
    print(run(tables, seeds, Runs(output, "deviance"), teacher, list(student) or list(STUDENTS), quick))


@app.command()
@data_dir_option
@datasets_option
@seeds_option(1)
@max_rows_option(10_000)
@click.option("--teacher", multiple=True, help="A teacher to distil; may be repeated, all without.")
@output_option
@quick_option
def teachers(
    data_dir: Path | None,
    datasets: str,
    seeds: int,
    max_rows: int,
    teacher: Sequence[str],
    output: Path | None,
    quick: bool,
) -> None:
    """Skill kept of teachers of all kinds, most of which know their own rows by heart."""
    from benchmarks.problems import problems
    from benchmarks.runs import Runs
    from benchmarks.teachers import run

    if quick:
        max_rows, datasets = 500, datasets or ("" if data_dir else "breast_cancer")
        teacher = teacher or ["forest, 2 rows a leaf", "extra trees"]
    tables = problems(data_dir, datasets.split(",") if datasets else None, max_rows)
    print(run(tables, seeds, Runs(output, "teachers"), list(teacher)))


@app.command()
@data_dir_option
@datasets_option
@seeds_option(1)
@max_rows_option(20_000)
@click.option("--student", multiple=True, default=["mlp"], help="A student to measure; may be repeated.")
@output_option
@quick_option
def doubt(
    data_dir: Path | None,
    datasets: str,
    seeds: int,
    max_rows: int,
    student: Sequence[str],
    output: Path | None,
    quick: bool,
) -> None:
    """The share of fresh rows that are as near to the teacher as the doubt states, and how wide it is."""
    from benchmarks.doubt import run
    from benchmarks.problems import problems
    from benchmarks.runs import Runs

    if quick:
        max_rows, datasets = 1000, datasets or ("" if data_dir else "breast_cancer,diabetes")
    tables = problems(data_dir, datasets.split(",") if datasets else None, max_rows)
    print(run(tables, seeds, Runs(output, "doubt"), student, quick))


@app.command("few-labels")
@data_dir_option
@datasets_option
@seeds_option(3)
@max_rows_option(20_000)
@click.option("--student", default="mlp", help="The student to measure.")
@output_option
@quick_option
def few_labels(
    data_dir: Path | None, datasets: str, seeds: int, max_rows: int, student: str, output: Path | None, quick: bool
) -> None:
    """Skill kept with few synthetic rows: random ones, or half of them chosen because first students dispute them."""
    from benchmarks.few_labels import run
    from benchmarks.problems import problems
    from benchmarks.runs import Runs

    if quick:
        seeds, max_rows, datasets = 1, 1000, datasets or ("" if data_dir else "breast_cancer,diabetes")
    tables = problems(data_dir, datasets.split(",") if datasets else None, max_rows)
    print(run(tables, seeds, Runs(output, "few-labels"), student, quick))


@app.command()
@data_dir_option
@datasets_option
@seeds_option(1)
@max_rows_option(10_000)
@output_option
@quick_option
def additive(data_dir: Path | None, datasets: str, seeds: int, max_rows: int, output: Path | None, quick: bool) -> None:
    """The additive student beside the MLP and an EBM: skill kept, bytes, rows per second, and speed beside the MLP."""
    from benchmarks.additive import run
    from benchmarks.problems import problems
    from benchmarks.runs import Runs

    if quick:
        max_rows, datasets = 1000, datasets or ("" if data_dir else "breast_cancer,diabetes")
    tables = problems(data_dir, datasets.split(",") if datasets else None, max_rows)
    print(run(tables, seeds, Runs(output, "additive"), quick))


@app.command()
@output_option
@quick_option
def speed(output: Path | None, quick: bool) -> None:
    """Rows per second and latency of the students, of the teacher, and of the teacher compiled."""
    from benchmarks.speed import run

    print(run(output, quick))


@app.command()
@data_dir_option
@output_option
@quick_option
def score(data_dir: Path | None, output: Path | None, quick: bool) -> None:
    """Rows per second and memory of batch scoring, from file to file."""
    from benchmarks.score import run

    print(run(data_dir, output, quick))


@app.command()
@output_option
@quick_option
def service(output: Path | None, quick: bool) -> None:
    """The example of a service under load: milliseconds of a request, and rows per second."""
    from benchmarks.service import run

    print(run(output, quick))


@app.command()
@output_option
@quick_option
def sql(output: Path | None, quick: bool) -> None:
    """Students as SQL: rows per second in DuckDB, from file to file, beside `tabkd score`."""
    from benchmarks.sql import run

    print(run(output, quick))


@app.command()
@output_option
@quick_option
def start(output: Path | None, quick: bool) -> None:
    """Seconds of a small job of `tabkd score`, beside the imports that it cannot do without."""
    from benchmarks.start import run

    print(run(output, quick))


@app.command()
@click.option("--against", default="main", metavar="REVISION", help="What Git calls the version to compare with.")
@click.option("--repeats", type=click.IntRange(min=1), default=7, help="Seeds, each in two fresh processes.")
@quick_option
def check(against: str, repeats: int, quick: bool) -> None:
    """Time, bytes and skill kept of a change beside those of another version; exit code 1 if it is clearly worse."""
    from benchmarks.check import run

    text, is_fine = run(against, 1 if quick else repeats, quick)
    print(text)
    raise SystemExit(0 if is_fine or quick else 1)


@app.command()
@output_option
@quick_option
@click.option("--most-values", default=300_000_000, help="Rows × columns of the largest table that is tried.")
def cost(output: Path | None, quick: bool, most_values: int) -> None:
    """Import time; seconds and peak memory of a distillation by its stages, over rows and columns."""
    from benchmarks.cost import run

    print(run(output, quick, most_values))


@app.command()
@click.option("--seeds", type=click.IntRange(min=1), default=20)
@output_option
@quick_option
def article(seeds: int, output: Path | None, quick: bool) -> None:
    """The published example of ensemble distillation, over many seeds."""
    from benchmarks.article import run

    print(run(output, seeds, quick))


@app.command()
@data_dir_option
@datasets_option
@max_rows_option(20_000)
@output_option
@click.option("--job-rows", default=2_000_000, help="Rows of the jobs whose alerts get reasons; 0 for no jobs.")
@quick_option
def reasons(
    data_dir: Path | None, datasets: str, max_rows: int, output: Path | None, job_rows: int, quick: bool
) -> None:
    """How right, how exact and how fast the contributions of columns are, and what reasons cost a job."""
    from benchmarks import reasons_job
    from benchmarks.reasons import run

    if quick:
        max_rows, datasets, job_rows = 1000, datasets or ("" if data_dir else "diabetes"), min(job_rows, 5000)
    print(run(data_dir, datasets.split(",") if datasets else None, max_rows, output, quick))
    if job_rows:
        print(reasons_job.run(output, job_rows, quick))


@app.command()
@data_dir_option
@datasets_option
@seeds_option(1)
@max_rows_option(20_000)
@click.option("--max-bytes", default=20_000, help="The budget of the search.")
@click.option("--simulated", default=0, help="Rows of a simulated table of 30 columns to measure as well.")
@output_option
@quick_option
def search(
    data_dir: Path | None,
    datasets: str,
    seeds: int,
    max_rows: int,
    max_bytes: int,
    simulated: int,
    output: Path | None,
    quick: bool,
) -> None:
    """The student that a search finds within a budget of bytes, beside the default one."""
    from benchmarks.problems import problems
    from benchmarks.runs import Runs
    from benchmarks.search import run

    if quick:
        max_rows, datasets = 1000, datasets or ("" if data_dir else "breast_cancer,diabetes")
    tables = problems(data_dir, datasets.split(",") if datasets else None, max_rows)
    print(run(tables, seeds, Runs(output, "search"), max_bytes, quick, simulated))


@app.command()
@data_dir_option
@datasets_option
@max_rows_option(12_000)
@output_option
@quick_option
def weights(data_dir: Path | None, datasets: str, max_rows: int, output: Path | None, quick: bool) -> None:
    """Weights of one byte, and ONNX Runtime's static quantization, beside the float32 of the default student."""
    from benchmarks.problems import problems
    from benchmarks.runs import Runs
    from benchmarks.weights import run

    if quick:
        max_rows, datasets = 1000, datasets or ("" if data_dir else "breast_cancer,diabetes")
    tables = problems(data_dir, datasets.split(",") if datasets else None, max_rows)
    print(run(tables, Runs(output, "weights"), quick))


@app.command()
@output_option
@click.option("--rows", default=10_000_000, help="Rows of the simulated table.")
@quick_option
def tall(output: Path | None, rows: int, quick: bool) -> None:
    """Peak memory of a fit on a table that Spark labels and that is read from Parquet."""
    from benchmarks.tall import run

    print(run(output, 10_000 if quick else rows, quick))


if __name__ == "__main__":
    app()
