"""The command line as a whole: its commands, each of which is imported when it is asked for."""

from __future__ import annotations

import importlib
from typing import Any

import click

from tabkd._cli.signals import ignore_signals
from tabkd._cli.streams import flush, occupy_closed_streams

# Each is an object in the module with the same name.
_COMMANDS = ("distill", "score", "inspect", "export", "compare", "monitor", "demo")


class Commands(click.Group):
    """Commands by name: only the one that runs is imported, and all of them where they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of a user's work."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; None where there is none."""
        if cmd_name not in _COMMANDS:
            return None
        return getattr(importlib.import_module(f"tabkd._cli.{cmd_name}"), cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an interrupt before it works ends the process like any other signal."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(130)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command that the arguments of the process name, and exit: the whole of a process."""
        occupy_closed_streams()
        try:
            return super().__call__(*args, **kwargs)
        finally:
            ignore_signals()
            flush()


app = Commands(
    "tabkd",
    # Click suggests similar names from these.
    commands=dict.fromkeys(_COMMANDS),  # type: ignore[arg-type]
    help="Distil a tabular ensemble into one small student and one ONNX file that scores the same.",
    context_settings={"show_default": True},
)
