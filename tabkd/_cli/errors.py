"""Errors as one line on stderr, and an exit code."""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import os
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import typer
from typer.models import OptionInfo

from tabkd._cli.signals import Stopped
from tabkd._cli.streams import say
from tabkd._cli.terminal import plain_warnings
from tabkd._options import called_as

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


# Their messages say what to do; others need the name of their type to be understood.
_EXPLAINED = (CommandError, ImportError, OSError, ValueError, TypeError, RuntimeError)


def clear_errors(command: Callable) -> Callable:
    """Print whatever error a command raises on one line of stderr, and exit with 1 or the code of the error.

    Where the command has an option `log`, and it is "json", the line is JSON. Messages of the library call parameters
    by the options of the command that have their names.
    """

    @functools.wraps(command)
    def guarded(*args, **kwargs):
        try:
            with plain_warnings(), called_as(options_of(command)):
                return command(*args, **kwargs)
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if os.environ.get(TRACEBACK_VARIABLE):
                _show_traceback()
            _report("Error: ", _message(error), kwargs)
            raise typer.Exit(getattr(error, "exit_code", 1)) from error
        except KeyboardInterrupt as error:
            _report("", "Interrupted; nothing was written.", kwargs)
            raise typer.Exit(130) from error
        except Stopped as error:
            _report("", "Interrupted; nothing was written.", kwargs)
            raise typer.Exit(128 + error.number) from error

    return guarded


def options_of(command: Callable) -> dict[str, str]:
    """For each parameter of a command that an option sets, that option."""
    found = {}
    for name, parameter in inspect.signature(command, eval_str=True).parameters.items():
        for option in getattr(parameter.annotation, "__metadata__", ()):
            if isinstance(option, OptionInfo):
                found[name] = next(iter(option.param_decls or ()), f"--{name.replace('_', '-')}")
    return found


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Put the path of a table before what is said of it."""
    try:
        yield
    except CommandError as error:
        raise CommandError(f"{str(path)!r}: {error}", error.exit_code) from error


def _message(error: Exception) -> str:
    if isinstance(error, _EXPLAINED) or type(error).__module__.partition(".")[0] == "pyarrow":
        return one_line(error)
    return f"{type(error).__name__}: {one_line(error)} (set {TRACEBACK_VARIABLE}=1 to see where it comes from)"


def _show_traceback() -> None:
    from tabkd.batch._addresses import without_any_password

    for line in traceback.format_exc().splitlines():
        say(without_any_password(line), err=True)


def _report(prefix: str, message: str, options: dict) -> None:
    from tabkd.batch._addresses import without_any_password

    message = without_any_password(message)
    as_json = str(options.get("log")) == "json"
    say(json.dumps({"error": message}) if as_json else f"{prefix}{message}", err=True)


def one_line(error: BaseException) -> str:
    """The message of an error without line breaks, and without characters that a terminal would obey."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, OSError) and error.filename and str(error.filename) not in text:
        text = f"{error.filename}: {text}"
    return " ".join(text.split()) or type(error).__name__
