"""Dates order rows; where one is a feature, the message says what else can be done. None is guessed."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from tabkd._tables.lookalikes import look
from tests.cli.commands import refused, run

N = 200
DAYS = pd.date_range("2026-10-24", periods=N, freq="7h")


def rows(when=None):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"amount": rng.normal(size=N), "row": np.arange(N), "label": rng.integers(0, 2, N)})
    return frame if when is None else frame.assign(when=when)


@pytest.fixture
def split_of(tmp_path, monkeypatch):
    """The rows that a command would learn from, up to the first fit."""
    found = []
    monkeypatch.setattr("tabkd._cli.distill.run", lambda split, *_: found.append(split))
    monkeypatch.setattr("tabkd._cli.distill.print_report", lambda *_: None)

    def split(path, *options):
        run("distill", path, "--target", "label", "--output", tmp_path / "out", *options)
        return found[-1]

    return split


def written(frame, path):
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


# Each with its rows in an order of chance, and with one time for each row.
TIMES = {
    "dates": [day.date() for day in pd.date_range("2019-12-30", periods=N)],
    "timestamps": list(DAYS),
    "timestamps with a zone": list(DAYS.tz_localize("Europe/Zurich")),
    "months": list(pd.period_range("1990-01", periods=N, freq="M")),
    "text of days": [str(day.date()) for day in pd.date_range("2019-12-30", periods=N)],
    "text of times": [day.isoformat() for day in DAYS],
    "text with a space": [str(day) for day in DAYS],
    "text in UTC": [f"{day.isoformat()}Z" for day in DAYS],
    "text of two zones": [
        day.tz_localize("UTC").tz_convert(["Asia/Tokyo", "America/Lima"][i % 2]).isoformat()
        for i, day in enumerate(DAYS)
    ],
    "years far away": [f"{1000 + 40 * i}-01-01" for i in range(N)],
    "numbers": list(range(10, 10 + N)),
    "category of text": pd.Categorical([str(day.date()) for day in pd.date_range("2019-12-30", periods=N)]),
}
KEPT_BY_CSV = set(TIMES) - {"timestamps with a zone", "months"}


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("kind", TIMES)
def test_times_of_any_kind_order_the_rows(split_of, tmp_path, kind, suffix):
    if suffix == ".csv" and kind not in KEPT_BY_CSV:
        pytest.skip("a CSV has text of these")
    frame = rows(TIMES[kind]).sample(frac=1, random_state=1)
    split = split_of(written(frame, tmp_path / f"t{suffix}"), "--time-column", "when")
    assert "when" not in split.X_train
    assert split.X_test["row"].tolist() == list(range(N - N // 4, N))
    assert split.X_train["row"].max() < N - N // 4
    assert any("latest 50 rows by 'when'" in note for note in split.notes)


def test_days_of_arrow_order_the_rows(split_of, tmp_path):
    frame = rows().sample(frac=1, random_state=1)
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(int(row)) for row in frame["row"]]
    for kind in (pa.date32(), pa.date64(), pa.timestamp("ns", "UTC")):
        table = pa.Table.from_pandas(frame, preserve_index=False).append_column("when", pa.array(days).cast(kind))
        pa.parquet.write_table(table, tmp_path / "t.parquet")
        split = split_of(tmp_path / "t.parquet", "--time-column", "when")
        assert split.X_test["row"].tolist() == list(range(150, 200))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("24/10/2026", "'24/10/2026' in row 3, which has no order in time that is sure"),
        ("01.02.2026", "'01.02.2026' in row 3"),
        ("Oct 24, 2026", "'Oct 24, 2026' in row 3"),
        ("yesterday", "'yesterday' in row 3"),
        ("2026-13-01", "'2026-13-01' in row 3"),
        ("2026-10-24T10:00:00+02:00", "a time zone in some rows, but none in row 0"),
        (None, "missing in 1 rows"),
    ],
)
def test_a_time_that_could_be_another_is_refused(tmp_path, value, words):
    text = pd.Series([day.isoformat() for day in DAYS], dtype=object)
    text[3] = value
    path = written(rows(text), tmp_path / "t.parquet")
    message = refused("distill", path, "--target", "label", "--output", tmp_path / "out", "--time-column", "when")
    assert "--time-column 'when'" in message
    assert words in message
    if value and "some rows" not in words:
        assert "text such as 2026-10-24" in message


@pytest.mark.parametrize(
    ("when", "suffix", "words"),
    [
        (DAYS, ".parquet", "holds dates, for example 2026-10-24 00:00:00 in row 0"),
        (DAYS.tz_localize("UTC"), ".parquet", "holds dates"),
        ([day.date() for day in DAYS], ".parquet", "holds dates, for example 2026-10-24"),
        ([day.date() for day in DAYS], ".csv", "holds dates, for example 2026-10-24"),
        (DAYS, ".csv", "holds dates"),
        ([day.time() for day in DAYS], ".parquet", "holds times of day"),
        (DAYS - DAYS[0], ".parquet", "holds durations"),
        ([str(day.date()) for day in DAYS], ".parquet", "its values look like dates (row 0 has '2026-10-24')"),
        ([day.strftime("%d/%m/%Y") for day in DAYS], ".csv", "its values look like dates (row 0 has '24/10/2026')"),
        ([day.strftime("%d.%m.%y") for day in DAYS], ".csv", "its values look like dates (row 0 has '24.10.26')"),
        ([day.strftime("%d %b %Y") for day in DAYS], ".csv", "its values look like dates (row 0 has '24 Oct 2026')"),
        ([f"{i // 60}:{i % 60:02} pm" for i in range(N)], ".csv", "its values look like times of day"),
    ],
    ids=[
        *("timestamps", "timestamps with a zone", "dates", "dates in CSV", "timestamps in CSV", "times", "durations"),
        *("text", "slashes", "points", "names of months", "times in text"),
    ],
)
def test_a_date_as_a_feature_is_refused_with_what_can_be_done(tmp_path, when, suffix, words):
    path = written(rows(when), tmp_path / f"t{suffix}")
    message = refused("distill", path, "--target", "label", "--output", tmp_path / "out")
    assert "column 'when'" in message
    assert words in message
    assert "--drop 'when'" in message


def test_several_dates_are_named_at_once(tmp_path):
    path = written(rows(DAYS).assign(paid=DAYS), tmp_path / "t.parquet")
    message = refused("distill", path, "--target", "label", "--output", tmp_path / "out")
    assert "column 'when' (likewise 'paid') holds dates" in message
    assert "--drop 'when' --drop 'paid' leaves them out" in message


@pytest.mark.parametrize("option", ["--numeric", "--categorical"])
def test_dates_are_neither_numbers_nor_categories(tmp_path, option):
    path = written(rows(DAYS), tmp_path / "t.parquet")
    message = refused("distill", path, "--target", "label", "--output", tmp_path / "out", option, "when")
    assert "column 'when' holds dates" in message
    assert option in message


@pytest.mark.parametrize(
    "months",
    [
        [f"{month}-{year}" for year in range(1970, 1980) for month in ("Jan", "Sep", "Dec")],
        [f"{month} {year:02}" for year in range(1, 11) for month in ("May", "June", "October")],
        [f"{year}-{month:02}" for year in range(2000, 2003) for month in range(1, 13)],
    ],
)
def test_months_of_years_are_dates(tmp_path, months):
    frame = rows([months[i % len(months)] for i in range(N)])
    message = refused("distill", written(frame, tmp_path / "t.csv"), "--target", "label", "--output", tmp_path / "out")
    assert "column 'when'" in message
    assert "dates" in message


@pytest.mark.parametrize("word", ["market", "Marke", "Decor", "sector"])
def test_names_with_numbers_are_no_months(word):
    levels = [f"{word} {i}" for i in range(10, 60)]
    assert look(levels, np.ones(len(levels))) is None


def test_times_of_day_and_durations_are_no_order_of_rows(tmp_path):
    for kind in (datetime.time(13, 45), datetime.timedelta(hours=3)):
        path = written(rows([kind] * N), tmp_path / "t.parquet")
        message = refused("distill", path, "--target", "label", "--output", tmp_path / "out")
        assert "--drop 'when' leaves it out; or store" in message
        assert "--time-column" not in message
