"""What every command adds to Click's: errors on one line, and arguments with a help text."""

from __future__ import annotations

from typing import Any

import click

from tabkd._cli.errors import clear_errors


class Command(click.Command):
    """A command whose errors are one line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments, for some of which a package is imported that may be missing."""
        with clear_errors(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with clear_errors(ctx):
            return super().invoke(ctx)

    def get_short_help_str(self, limit: int = 45) -> str:
        """The first paragraph of the help, whole; Click would cut it at `limit`."""
        return " ".join((self.help or "").partition("\n\n")[0].split())


class Argument(click.Argument):
    """An argument with a help text, which Click has only from version 8.5 on."""

    def __init__(self, *args: Any, help: str, **attrs: Any):
        super().__init__(*args, **attrs)
        self.help: str = help

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """The line of the argument in the help of the command."""
        return self.human_readable_name, self.help
