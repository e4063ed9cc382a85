"""The commands: `tabkd distill`, `tabkd score`, `tabkd inspect`, `tabkd demo`; one file for each."""

import typer

from tabkd._cli import demo, distill, inspect, score
from tabkd._cli.signals import ignore_signals
from tabkd._cli.streams import flush, occupy_closed_streams


class App(typer.Typer):
    """The commands; called, it is the whole of a process."""

    def __call__(self, *args, **kwargs):
        """Run the command that the arguments of the process name, and exit."""
        occupy_closed_streams()
        try:
            return super().__call__(*args, **kwargs)
        finally:
            ignore_signals()
            flush()


app = App(
    help="Distil a tabular ensemble into one small student and one ONNX file that scores the same.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command()(distill.distill)
app.command()(score.score)
app.command()(inspect.inspect)
app.command()(demo.demo)
