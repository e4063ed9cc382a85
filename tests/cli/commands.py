"""Commands as a user gives them."""

from click.testing import CliRunner

from tabkd._cli import app

SMALL = ("--student", "tree", "--n-synthetic", "500", "--n-jobs", "1")


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def refused(*arguments, code=1):
    """The one line on stderr."""
    result = run(*arguments, code=code)
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    if code != 2:
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
    return result.stderr


def write(frame, path):
    frame.to_parquet(path, index=False) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


def refused_later(*arguments):
    """The one line on stderr of a command that has said on stdout what it was about to do."""
    result = run(*arguments, code=1)
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr
