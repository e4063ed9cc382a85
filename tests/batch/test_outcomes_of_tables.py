"""What a job into a table of PostgreSQL exits with: after the commit nothing ends as an error of the job."""

import pandas as pd
import pytest

from tabkd.batch._job import score_dataset
from tests.batch.test_databases import cursor


@pytest.fixture
def job(path, frame, server, tmp_path):
    """A job that appends to a table, and how many rows that has."""
    frame.to_parquet(tmp_path / "in.parquet")
    with cursor(server) as sql:
        sql.execute("DROP TABLE IF EXISTS outcomes")

    def count():
        with cursor(server) as sql:
            sql.execute("SELECT count(*) FROM outcomes")
            return sql.fetchone()[0]

    arguments = ["score", path, tmp_path / "in.parquet", "--output", server, "--table", "outcomes", "--append"]
    return arguments, count


def test_a_summary_that_fails_after_the_commit_has_an_exit_code_of_its_own(commands, job, frame, tmp_path, small_disk):
    arguments, count = job
    assert commands.run(*arguments, "--summary", "/dev/full").code == 1
    rest = "with open(sys.argv[-1] + '.rest', 'wb', 0) as file, contextlib.suppress(OSError):\n"
    rest = f"import contextlib\n{rest}    while True: file.write(bytes(1000))"
    done = commands.run(*arguments, "--summary", small_disk / "s.json", program=rest)
    assert done.code == 5
    assert "/postgres', but not the summary: cannot write" in done.stderr
    assert "s3cret" not in done.stderr
    # Had it been run again as after an error, the rows would be there twice.
    assert count() == len(frame)


@pytest.mark.parametrize("place", ["/dev/full", "broken", "closed"])
def test_a_log_that_cannot_be_written_changes_nothing(commands, job, frame, place):
    arguments, count = job
    assert commands.run(*arguments, "--log", "json", stderr=place).code == 0
    assert count() == len(frame)


def test_signals_at_the_commit_come_too_late(commands, job, frame):
    arguments, count = job
    program = """
import os, signal
from tabkd.batch import _job as job
from tabkd.batch import _outputs as outputs
class Outputs(outputs.Outputs):
    def __exit__(self, *error):
        os.kill(os.getpid(), signal.SIGTERM)
        done = super().__exit__(*error)
        os.kill(os.getpid(), signal.SIGTERM)
        return done
job.Outputs = Outputs
"""
    assert commands.run(*arguments, program=program).code == 0
    assert count() == len(frame)


def test_a_commit_that_the_server_refuses_leaves_the_old_rejects(path, frame, server, tmp_path):
    amounts = frame["amount"].astype(str)
    amounts[7] = "12 EUR"
    frame.assign(amount=amounts).to_parquet(tmp_path / "in.parquet")
    (tmp_path / "rejects.csv").write_text("old")
    options = {"table": "guarded", "append": True, "rejects": tmp_path / "rejects.csv", "max_rejects": 1}
    with cursor(server) as sql:
        sql.execute('CREATE TABLE guarded (prediction boolean, "probability_False" float8, "probability_True" float8)')
        sql.execute("CREATE FUNCTION refuse() RETURNS trigger AS $$BEGIN RAISE 'not today'; END$$ LANGUAGE plpgsql")
        sql.execute(
            "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON guarded DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
            "EXECUTE FUNCTION refuse()"
        )
    with pytest.raises(ValueError, match="not today"):
        score_dataset(path, [tmp_path / "in.parquet"], server, **options)
    assert (tmp_path / "rejects.csv").read_text() == "old"
    with cursor(server) as sql:
        sql.execute("DROP TRIGGER late ON guarded")
    done = score_dataset(path, [tmp_path / "in.parquet"], server, **options)
    assert (done.written, done.rejected) == (len(frame) - 1, 1)
    assert pd.read_csv(tmp_path / "rejects.csv")["value"].tolist() == ["12 EUR"]
