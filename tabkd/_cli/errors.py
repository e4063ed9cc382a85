"""Errors as one line on stderr, and an exit code."""

from __future__ import annotations

import contextlib
import json
import os
import traceback
from collections.abc import Iterator
from pathlib import Path

import click

from tabkd._cli.signals import Stopped
from tabkd._cli.streams import say
from tabkd._cli.terminal import plain_warnings
from tabkd._options import called_as

#: Set to anything to see where an error came from.
TRACEBACK_VARIABLE = "TABKD_TRACEBACK"


class CommandError(Exception):
    """An error that the user can correct: a file, a column, an option.

    Parameters
    ----------
    message : str
    exit_code : int, default=1
    """

    def __init__(self, message: str, exit_code: int = 1):
        super().__init__(message)
        self.exit_code = exit_code


# Their messages say what to do; others need the name of their type to be understood.
_EXPLAINED = (CommandError, ImportError, OSError, ValueError, TypeError, RuntimeError)


@contextlib.contextmanager
def clear_errors(ctx: click.Context) -> Iterator[None]:
    """Print any error of a command on one line of stderr, and exit with 1 or the code of the error.

    If the command has an option `log`, and it is "json", the line is JSON. Messages of the library call parameters
    by the names of the command's options.
    """
    try:
        with plain_warnings(), called_as(options_of(ctx.command)):
            yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            _show_traceback()
        _report("Error: ", _message(error), ctx)
        raise click.exceptions.Exit(getattr(error, "exit_code", 1)) from error
    except KeyboardInterrupt as error:
        _report("", "Interrupted; nothing was written.", ctx)
        raise click.exceptions.Exit(130) from error
    except Stopped as error:
        _report("", "Interrupted; nothing was written.", ctx)
        raise click.exceptions.Exit(128 + error.number) from error


def options_of(command: click.Command) -> dict[str, str]:
    """For each parameter of a command that an option sets, that option."""
    return {str(given.name): given.opts[0] for given in command.params if isinstance(given, click.Option)}


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Put the path of a table before messages about it."""
    try:
        yield
    except CommandError as error:
        raise CommandError(f"{str(path)!r}: {error}", error.exit_code) from error


def _message(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and str(error) == f"No module named {error.name!r}":
        return f"{error}; install it, or everything that distilling needs with `pip install tabkd`."
    if isinstance(error, _EXPLAINED) or type(error).__module__.partition(".")[0] == "pyarrow":
        return one_line(error)
    return f"{type(error).__name__}: {one_line(error)} (set {TRACEBACK_VARIABLE}=1 to see where it comes from)"


def _show_traceback() -> None:
    from tabkd.batch._addresses import without_any_password

    for line in traceback.format_exc().splitlines():
        say(without_any_password(line), err=True)


def _report(prefix: str, message: str, ctx: click.Context) -> None:
    from tabkd.batch._addresses import without_any_password

    message = without_any_password(message)
    as_json = ctx.params.get("log") == "json"
    say(json.dumps({"error": message}) if as_json else f"{prefix}{message}", err=True)


def one_line(error: BaseException) -> str:
    """The message of an error without line breaks, and without characters that a terminal would obey."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, OSError) and error.filename and str(error.filename) not in text:
        text = f"{error.filename}: {text}"
    return " ".join(text.split()) or type(error).__name__
