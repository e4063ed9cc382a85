"""Errors as one line on stderr, and an exit code."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable

import typer

#: Set to anything to see where an error came from.
TRACEBACK_VARIABLE = "TABKD_TRACEBACK"


class CommandError(Exception):
    """What the user can put right: a file, a column, an option.

    Parameters
    ----------
    message : str
    exit_code : int, default=1
    """

    def __init__(self, message: str, exit_code: int = 1):
        super().__init__(message)
        self.exit_code = exit_code


def clear_errors(command: Callable) -> Callable:
    """Print the errors that bad input and full disks cause on one line of stderr, and exit with 1 or their code.

    Where the command has an option `log`, and it is "json", the line is JSON.
    """

    @functools.wraps(command)
    def guarded(*args, **kwargs):
        try:
            return command(*args, **kwargs)
        except (CommandError, OSError, ValueError, TypeError) as error:
            if os.environ.get(TRACEBACK_VARIABLE):
                raise
            _report("Error: ", one_line(error), kwargs)
            raise typer.Exit(getattr(error, "exit_code", 1)) from error
        except KeyboardInterrupt as error:
            _report("", "Interrupted; nothing was written.", kwargs)
            raise typer.Exit(130) from error

    return guarded


def _report(prefix: str, message: str, options: dict) -> None:
    from tabkd.batch.addresses import without_any_password

    message = without_any_password(message)
    as_json = str(options.get("log")) == "json"
    typer.echo(json.dumps({"error": message}) if as_json else f"{prefix}{message}", err=True)


def one_line(error: BaseException) -> str:
    """The message of an error without line breaks."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, OSError) and error.filename and str(error.filename) not in text:
        text = f"{error.filename}: {text}"
    return " ".join(text.split()) or type(error).__name__
