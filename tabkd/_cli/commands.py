"""The command line as a whole: its commands, each of which is imported when it is asked for."""

from __future__ import annotations

import importlib

import typer
from typer.core import TyperGroup

from tabkd._cli.signals import ignore_signals
from tabkd._cli.streams import flush, occupy_closed_streams

# Each is a function in the module of its name.
_COMMANDS = ("distill", "score", "inspect", "demo")


class Commands(TyperGroup):
    """Commands by name: only the one that runs is imported, and all of them where they are listed with their help."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        # Typer suggests similar names from these.
        self.commands = dict.fromkeys(_COMMANDS)  # type: ignore[assignment]

    def get_command(self, ctx, cmd_name: str):
        """The command of a name; None where there is none."""
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(f"tabkd._cli.{cmd_name}"), cmd_name)
        alone = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
        alone.command(cmd_name)(command)
        return typer.main.get_command(alone)


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


app = App(cls=Commands, no_args_is_help=True, pretty_exceptions_show_locals=False)


@app.callback()
def tabkd() -> None:
    """Distil a tabular ensemble into one small student and one ONNX file that scores the same."""
