"""`tabkd demo`: all steps on simulated card payments, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from tabkd._cli.command import Command

if TYPE_CHECKING:
    from rich.text import Text

    from tabkd.evaluation import Report


@click.command(cls=Command)
@click.option("--rows", type=click.IntRange(min=2_000), default=60_000, help="Card payments to simulate.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("tabkd-demo"),
    metavar="DIR",
    help="The folder for the files; by default tabkd-demo.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="The same seed gives the same payments.")
def demo(rows: int, output: Path, seed: int) -> None:
    """Simulate card payments, distil an ensemble on them, export, score, and print what was kept."""
    run(output, rows, seed)


def run(folder: Path, rows: int, seed: int) -> None:
    """Write the payments, distil on those that came first, and score all of them.

    Parameters
    ----------
    folder : Path
        Where the files go.
    rows : int
        Card payments to simulate.
    seed : int
        The same seed gives the same payments.
    """
    import tabkd
    from tabkd._cli import distill, terminal
    from tabkd._cli.output_folder import output_folder
    from tabkd._cli.split import TableOptions, read_split
    from tabkd._files import atomic_write, writing
    from tabkd.batch._job import score_dataset
    from tabkd.datasets import make_card_transactions

    console = terminal.console()
    with output_folder(folder):
        payments = make_card_transactions(rows, random_state=seed)
        console.print(f"Simulated {rows:,} card payments, {payments['fraud'].mean():.1%} of them fraud.")
        table = folder / "payments.parquet"
        with atomic_write(table) as temporary, writing(table):
            payments.to_parquet(temporary, index=False)
        split = read_split(TableOptions(table, "fraud", time_column="time_days", task="classification", seed=seed))
        console.print(f"{split.notes[-1]} Distilling LightGBM and XGBoost on the rows before …")
        settings, command = distill.Settings(seed=seed, contributions=True), f"tabkd demo --rows {rows} --seed {seed}"
        report = distill.run(split, settings, folder, console, command)
        distill.print_report(console, report)
        exported = tabkd.load(folder / "student.onnx")
        scores = str(folder / "scores.parquet")
        n_scored = score_dataset(exported, [str(table)], scores, keep=["time_days", "fraud"]).scored
    console.print(f"Scored all {n_scored:,} payments with the ONNX file alone.")
    for sentence in verdict(report):
        console.print(sentence, soft_wrap=True)
    console.print(f"The payments, the student and the scores are in {folder}.", soft_wrap=True)
    console.print(
        f"Open {folder / 'report.html'} in a browser: it is the report, and you can try the student in it.",
        soft_wrap=True,
    )


def verdict(report: Report) -> list[Text]:
    """What the student kept and what it gained, in two sentences; the report's verdict is printed above them.

    Parameters
    ----------
    report : Report
        With speed and size.
    """
    from rich.text import Text

    teacher, student = report.metrics["teacher"], report.metrics["student"]
    speed, n_bytes = cast(dict, report.speed), cast(int, report.n_bytes)
    precision, recall = "average_precision", "recall_at_0.005"
    share = report.reasons.get("skill_kept") or f"{report.skill_kept:.1%} of the teacher's skill"
    kept = (
        f" {share}; average precision "
        f"{student[precision]:.3f} (teacher {teacher[precision]:.3f}); a review of the riskiest 0.5 % of "
        f"payments finds {student[recall]:.1%} of the fraud (teacher {teacher[recall]:.1%})."
    )
    gained = (
        f" one ONNX file of {n_bytes / 1000:,.0f} KB, {speed['ratio']:,.0f} × "
        f"the rows/s at a batch of {speed['batch_size']}, {speed['ratio_one_row']:,.0f} × for a single row."
    )
    return [Text.assemble(("Kept:", "bold"), kept), Text.assemble(("Gained:", "bold"), gained)]
