"""The commands: `tabkd distill`, `tabkd score`, `tabkd inspect`, `tabkd demo`; one file for each."""

import typer

from tabkd.cli import demo, distill, inspect, score

app = typer.Typer(
    help="Distil a tabular ensemble into one small student and one ONNX file that scores the same.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command()(distill.distill)
app.command()(score.score)
app.command()(inspect.inspect)
app.command()(demo.demo)
