"""What `tabkd distill` reads in a way a person may not expect: it is said, or refused with a remedy."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

import tabkd
from tests.cli.commands import SMALL, refused, run


def payments(n=400, seed=0):
    rng = np.random.default_rng(seed)
    amount = rng.lognormal(3, 1, n).round(2)
    return pd.DataFrame(
        {
            "amount": amount,
            "country": rng.choice(["de", "fr", "it"], n),
            "hour": rng.integers(0, 24, n),
            "label": np.where(amount + rng.normal(0, 5, n) > 30, "fraud", "ok"),
        }
    )


@pytest.fixture
def split_of(tmp_path, monkeypatch):
    """The rows that a command would learn from, and what it says: all of it up to the first fit."""
    found = []
    monkeypatch.setattr("tabkd._cli.distill.run", lambda split, *_: found.append(split))
    monkeypatch.setattr("tabkd._cli.distill.print_report", lambda *_: None)

    def split(frame, *options, suffix=".csv", target="label", **to_csv):
        path = tmp_path / f"table{suffix}"
        frame.to_parquet(path) if suffix == ".parquet" else frame.to_csv(path, **{"index": False, **to_csv})
        out = run("distill", path, "--target", target, "--output", tmp_path / "out", *options).stdout
        return found[-1], out

    return split


@pytest.fixture
def refusal_of(tmp_path):
    def refusal(frame, *options, suffix=".csv", target="label", **to_csv):
        path = tmp_path / f"table{suffix}"
        frame.to_parquet(path) if suffix == ".parquet" else frame.to_csv(path, **{"index": False, **to_csv})
        return refused("distill", path, "--target", target, "--output", tmp_path / "out", *options)

    return refusal


# Row numbers


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "Unnamed: 0.1", " "])
@pytest.mark.parametrize(
    "numbers",
    [lambda n: np.arange(n), lambda n: np.random.default_rng(1).permutation(n), lambda n: np.arange(n) * 3 + 7],
    ids=["in order", "shuffled", "with gaps"],
)
def test_row_numbers_without_a_name_are_left_out_and_said(split_of, name, numbers):
    frame = payments()
    frame.insert(0, name, numbers(400))
    split, out = split_of(frame)
    assert split.X_train.columns.tolist() == split.X_test.columns.tolist() == ["amount", "country", "hour"]
    said = [note for note in split.notes if "left out" in note]
    assert len(said) == 1
    assert said[0] in out
    assert "row numbers without a name" in said[0]


def test_an_index_in_a_csv_teaches_nothing_and_is_not_needed_to_score(tmp_path):
    """Rows sorted by label, labels of chance: their numbers alone would tell them."""
    frame = payments(600).assign(label=np.sort(np.arange(600) % 5 == 0))
    frame.to_csv(tmp_path / "train.csv")
    arguments = ("--teacher", "random-forest", "--output", tmp_path / "out")
    run("distill", tmp_path / "train.csv", "--target", "label", *arguments, *SMALL)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["metrics"]["teacher"]["roc_auc"] < 0.7
    assert any("row numbers" in note for note in report["notes"])
    model = tmp_path / "out" / "student.onnx"
    for index in (True, False):
        frame.to_csv(tmp_path / "later.csv", index=index)
        run("score", model, tmp_path / "later.csv", "--output", tmp_path / f"{index}.csv")
    expected = tabkd.load(model).predict_proba(frame[["amount", "country", "hour"]])
    for index in (True, False):
        scores = pd.read_csv(tmp_path / f"{index}.csv")
        np.testing.assert_allclose(scores["probability_True"], expected[:, 1], atol=1e-6)


@pytest.mark.parametrize(
    "values",
    [lambda n: np.arange(n) % 7, lambda n: np.linspace(0, 1, n), lambda n: np.where(np.arange(n) % 2, "a", "b")],
    ids=["numbers that repeat", "fractions", "text"],
)
def test_other_columns_without_a_name_stay(split_of, values):
    frame = payments().assign(**{"Unnamed: 0": values(400)})
    assert "Unnamed: 0" in split_of(frame)[0].X_train


@pytest.mark.parametrize(
    ("column", "line"),
    [
        ({"index": range(400)}, "'index': every whole number from 0 to 399, like row numbers; --drop 'index'"),
        ({"level_0": range(1, 401)}, "'level_0': every whole number from 1 to 400, like row numbers"),
        ({"id": np.arange(400) * 17}, "'id': as many values as rows, like an id; --drop 'id' leaves it out."),
        ({"id": np.arange(400) * 17.0}, "'id': as many values as rows, like an id"),
        ({"key": [f"k{i}" for i in range(400)]}, "'key': text with as many values as rows, like an id; --drop 'key'"),
    ],
    ids=["index", "level", "id", "whole floats", "text"],
)
def test_ids_with_a_name_are_said_and_stay(split_of, column, line):
    split, out = split_of(payments().assign(**column))
    assert next(iter(column)) in split.X_train
    assert line in out
    assert any(note.startswith(line) for note in split.notes)


def test_what_is_dropped_or_orders_the_rows_is_not_said(split_of):
    frame = payments().assign(id=range(400), when=range(400))
    _, out = split_of(frame, "--drop", "id", "--time-column", "when")
    assert "'id':" not in out
    assert "'when':" not in out


# Numbers that are text


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("cell", ["#REF!", "unknown", "12..5", "1/2", "-"])
def test_one_cell_that_makes_numbers_text_is_named(refusal_of, suffix, cell):
    amounts = payments()["amount"].astype(str)
    amounts[17] = cell
    message = refusal_of(payments().assign(amount=amounts), suffix=suffix)
    assert "column 'amount'" in message
    assert f"399 of its 400 values are numbers (row 17 has {cell!r})" in message
    for remedy in ("--numeric 'amount'", "--categorical 'amount'", "--drop 'amount'"):
        assert remedy in message


@pytest.mark.parametrize("missing", [False, True])
def test_a_factor_of_numbers_with_one_cell_of_text_is_named_too(refusal_of, split_of, missing):
    amounts = payments()["amount"].astype(str)
    amounts[17] = "#REF!"
    amounts[20] = None if missing else "5"
    frame = payments().assign(amount=amounts.astype("category"))
    message = refusal_of(frame, suffix=".parquet")
    assert f"{399 - missing} of its {400 - missing} values are numbers (row 17 has '#REF!')" in message
    split, _ = split_of(frame, "--numeric", "amount", suffix=".parquet")
    assert split.X_train["amount"].dtype == float
    assert len(split.X_train) + len(split.X_test) == 399


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_numeric_leaves_out_the_rows_with_anything_else(split_of, suffix):
    frame = payments()
    amounts = frame["amount"].astype(str)
    amounts[[17, 20]] = ["#REF!", "?"]
    amounts[[30, 31]] = [" 5.5 ", "NA"]  # a number with spaces, and what Arrow takes for a gap among numbers
    split, out = split_of(frame.assign(amount=amounts, row=frame.index), "--numeric", "amount", suffix=suffix)
    rows = pd.concat([split.X_train, split.X_test]).set_index("row").sort_index()
    assert rows.index.tolist() == [i for i in range(400) if i not in (17, 20)]
    expected = frame["amount"].copy()
    expected[[30, 31]] = [5.5, np.nan]
    pd.testing.assert_series_equal(rows["amount"], expected.drop([17, 20]), check_names=False, check_index_type=False)
    assert "'amount': 2 of the 400 rows" in out
    assert "the first is row 17 with '#REF!'" in out


def test_numeric_is_said_to_be_of_no_use_where_most_cells_are_text(refusal_of):
    message = refusal_of(payments(), "--numeric", "country")
    assert "--numeric 'country': 400 of its 400 values are not numbers (row 0 has" in message


def test_numeric_and_categorical_exclude_each_other(refusal_of):
    message = refusal_of(payments(), "--numeric", "hour", "--categorical", "hour")
    assert "--numeric and --categorical both name 'hour'" in message


@pytest.mark.parametrize("option", ["--numeric", "--categorical"])
def test_columns_that_are_not_there_are_named(refusal_of, option):
    assert f"{option} 'amout' is not a column" in refusal_of(payments(), option, "amout")


@pytest.mark.parametrize(
    ("spelt", "remedies"),
    [
        (lambda x: f"{x:.2f}".replace(".", ","), ["--decimal ','"]),
        (lambda x: f"{1000 + x:,.2f}", ["--thousands ','"]),
        (lambda x: f"{1000 + x:,.2f}".translate(str.maketrans(",.", ".,")), ["--decimal ','", "--thousands '.'"]),
        (lambda x: f"{1000 + x:,.2f}".replace(",", " ").replace(".", ","), ["--decimal ','", "--thousands ' '"]),
        (lambda x: f"€{x}", ["without signs and units"]),
        (lambda x: f"{x} EUR", ["without signs and units"]),
        (lambda x: f"{x}%", ["without signs and units"]),
    ],
    ids=["decimal comma", "thousands", "both", "spaces", "currency", "code of a currency", "per cent"],
)
def test_numbers_that_are_spelt_otherwise_are_named_with_what_reads_them(refusal_of, spelt, remedies):
    frame = payments()
    message = refusal_of(frame.assign(amount=frame["amount"].map(spelt)), suffix=".parquet")
    assert "column 'amount'" in message
    assert f"row 0 has {spelt(frame['amount'][0])!r}" in message
    for remedy in [*remedies, "--categorical 'amount'"]:
        assert remedy in message


def test_numbers_stored_as_text_in_parquet(refusal_of, split_of):
    frame = payments()
    message = refusal_of(frame.assign(amount=frame["amount"].astype(str)), suffix=".parquet")
    assert "400 of its 400 values are numbers" in message
    split, _ = split_of(frame.assign(amount=frame["amount"].astype(str)), "--numeric", "amount", suffix=".parquet")
    assert split.X_train["amount"].dtype == float
    assert len(split.X_train) + len(split.X_test) == 400


def test_numbers_that_are_text_because_of_spaces_name_the_spaces_and_keep_their_rows(refusal_of, split_of):
    frame = payments()
    frame["total"] = [" " if i in (7, 90) else f"{i / 7:.2f}" for i in range(400)]
    for suffix in (".csv", ".parquet"):
        message = refusal_of(frame, suffix=suffix)
        assert "398 of its 400 values are numbers (row 7 has ' ')" in message
        assert "--numeric 'total' reads it as numbers, and ' ' as a missing value;" in message
        split, _ = split_of(frame, "--numeric", "total", suffix=suffix)
        total = pd.concat([split.X_train["total"], split.X_test["total"]])
        assert (len(total), total.isna().sum()) == (400, 2)


def test_what_is_said_of_columns_is_said_once(tmp_path):
    """Nine tenths of the cells are numbers in the rows to learn from, a little less in the table."""
    frame = payments()
    numbers = np.arange(400) % 10 > 0
    frame["diagnosis"] = np.where(numbers, [f"{i % 300}" for i in range(400)], [f"V{i}" for i in range(400)])
    frame.loc[1, "diagnosis"] = "V1"
    frame.to_csv(tmp_path / "t.csv", index=False)
    arguments = ("--target", "label", "--output", tmp_path / "out", "--teacher", "random-forest", *SMALL)
    for seed in range(3):
        done = run("distill", tmp_path / "t.csv", *arguments, "--seed", seed)
        assert "'diagnosis': text, a category" in done.stdout
        assert "UserWarning" not in done.stderr + done.stdout
        assert "SurpriseWarning" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (
            ["0", "1", "2", "3+"],
            "'visits': text, a category, though 3 of its 4 levels are numbers, not '3+'; --numeric 'visits' reads "
            "it as numbers without the 100 rows of other levels.",
        ),
        (
            [f"{i:05}" for i in range(30)],
            "'visits': text, a category, though 30 of its 30 levels are numbers; --numeric",
        ),
        ([f"{5000 + i}" for i in range(30)], "'visits': text, a category, though 30 of its 30 levels are numbers"),
        (["2026-10-24", "2026-10-25"], "'visits': text that looks like dates; a category of 2 levels."),
        (["Yes", "no"], "'visits': text, 'Yes' and 'no'; a category of these, not true and false."),
        (["a", "b", "NA"], "'visits': the text 'NA' in 133 rows is a separate category, not a missing value."),
        (["a"], "'visits': 'a' in every row; a model learns nothing from it."),
        ([None], "'visits': no value in any row; a model learns nothing from it."),
        ([7], "'visits': 7 in every row; a model learns nothing from it."),
        (["a", "b", ""], "'visits': empty text in 133 rows is a separate category, not a missing value."),
    ],
    ids=["few levels", "codes with zeros", "codes", "dates", "yes and no", "NA", "same", "missing", "number", "empty"],
)
def test_columns_that_may_surprise_are_said_in_one_line(split_of, values, line):
    column = pd.Series([values[i % len(values)] for i in range(400)], dtype=object if values == [None] else None)
    split, out = split_of(payments().assign(visits=column), suffix=".parquet")
    assert line in out
    assert [note for note in split.notes if note.startswith("'visits'")] == [
        next(text for text in out.splitlines() if text.startswith("'visits'"))
    ]


def test_ordinary_columns_are_passed_over_in_silence(split_of):
    frame = payments().assign(member=np.arange(400) % 2 == 0, grade=pd.Categorical(["1", "2"] * 200))
    frame["branch"] = pd.Categorical([1, 2, None, 4] * 100)
    split, _ = split_of(frame, suffix=".parquet")
    assert len(split.notes) == 2


def test_notes_reach_the_report(tmp_path):
    payments().assign(id=range(400)).to_parquet(tmp_path / "t.parquet")
    arguments = ("--target", "label", "--output", tmp_path / "out", "--teacher", "random-forest")
    run("distill", tmp_path / "t.parquet", *arguments, *SMALL)
    notes = json.loads((tmp_path / "out" / "report.json").read_text())["notes"]
    assert any(note.startswith("'id': every whole number") for note in notes)


# Categories by choice


def test_a_code_in_whole_numbers_is_a_category_where_the_user_says_so(tmp_path):
    """The code tells the label by its level, in no order."""
    rng = np.random.default_rng(0)
    frame = payments(800).assign(mcc=rng.choice([5411, 5812, 4111, 7995], 800).astype(float))
    frame["label"] = np.where(frame["mcc"].isin([5812, 7995]), "fraud", "ok")
    frame.loc[::50, "mcc"] = np.nan
    frame.to_csv(tmp_path / "train.csv", index=False)
    arguments = ("--target", "label", "--categorical", "mcc", "--output", tmp_path / "out")
    run("distill", tmp_path / "train.csv", *arguments, "--teacher", "random-forest", *SMALL)
    exported = tabkd.load(tmp_path / "out" / "student.onnx")
    (column,) = [column for column in exported.metadata["columns"] if column["name"] == "mcc"]
    assert column["kind"] == "categorical"
    run("score", tmp_path / "out" / "student.onnx", tmp_path / "train.csv", "--output", tmp_path / "s.csv")
    label = pd.read_csv(tmp_path / "s.csv")["prediction"]
    known = frame["mcc"].notna()
    assert (label == frame["label"])[known].mean() > 0.95


def test_text_that_looks_like_numbers_or_dates_is_a_category_where_the_user_says_so(split_of):
    frame = payments().assign(
        code=[f"{i / 7:.3f}" for i in range(400)], day=[f"{1 + i % 28}.10.2026" for i in range(400)], grade=range(400)
    )
    options = ("--categorical", "code", "--categorical", "day", "--categorical", "grade")
    split, out = split_of(frame, *options, suffix=".parquet")
    for name in ("code", "day", "grade"):
        assert split.X_train[name].dtype == "category"
        assert f"'{name}':" not in out
    assert isinstance(split.X_train["code"].iloc[0], str)


# Targets


def test_a_target_of_numbers_with_one_cell_of_text_is_no_classification(refusal_of, split_of):
    amounts = payments()["amount"].astype(str)
    amounts[17] = "#REF!"
    frame = payments().assign(amount=amounts)
    message = refusal_of(frame, target="amount")
    assert "399 of its 400 values are numbers (row 17 has '#REF!')" in message
    assert "--numeric 'amount'" in message
    assert "--task classification" in message
    split, _ = split_of(frame, "--numeric", "amount", target="amount")
    assert split.task == "regression"
    assert len(split.y_train) + len(split.y_test) == 399
    assert np.isin(split.y_train, payments()["amount"]).all()


def test_a_date_is_no_target(refusal_of):
    frame = payments().assign(when=pd.date_range("2026-01-01", periods=400))
    assert "column 'when' holds dates" in refusal_of(frame, target="when", suffix=".parquet")


@pytest.mark.parametrize("gap", [None, 7])
@pytest.mark.parametrize(
    "options", [{}, {"quoting": csv.QUOTE_ALL}, {"sep": ";"}], ids=["plain", "quotes", "semicolon"]
)
def test_codes_with_zeros_in_front_are_the_same_in_a_csv_as_in_parquet(split_of, options, gap):
    frame = payments().assign(zip=np.random.default_rng(1).choice(["01234", "10115", "80331"], 400))
    frame.loc[[] if gap is None else [gap], "zip"] = None
    split, out = split_of(frame, **options)
    assert "'zip': text, a category, though 3 of its 3 levels are numbers; --numeric 'zip'" in out
    stored, _ = split_of(frame, suffix=".parquet")
    pd.testing.assert_series_equal(split.X_train["zip"], stored.X_train["zip"])
    named, _ = split_of(frame, "--categorical", "zip", **options)
    assert sorted(named.X_train["zip"].dropna().unique()) == ["01234", "10115", "80331"]
    numbers, _ = split_of(frame, "--numeric", "zip", **options)
    assert sorted(numbers.X_train["zip"].dropna().unique()) == [1234, 10115, 80331]


def test_zeros_in_front_of_a_target_and_of_a_time_are_none_of_a_code(split_of):
    frame = payments().assign(label=[f"{i % 300:04d}" for i in range(400)], step=[f"{i:04d}" for i in range(400)])
    split, _ = split_of(frame, "--time-column", "step")
    assert split.task == "regression"
    assert split.y_test.tolist() == [i % 300 for i in range(300, 400)]


def test_hexadecimal_codes_are_text_as_they_are_when_they_are_scored(split_of):
    frame = payments().assign(code=[hex(i % 30) for i in range(400)])
    split, _ = split_of(frame)
    assert split.X_train["code"].isin(frame["code"]).all()


@pytest.mark.parametrize(("suffix", "value"), [(".csv", "1e400"), (".csv", "-inf"), (".parquet", "inf")])
def test_an_infinite_number_is_named_with_its_row_in_the_file(refusal_of, suffix, value):
    amounts = payments()["amount"].astype(str).where(np.arange(400) != 3, value)
    frame = payments().assign(amount=amounts if suffix == ".csv" else amounts.astype(float))
    assert f"column 'amount' is {float(value)} in row 3, infinite or too large" in refusal_of(frame, suffix=suffix)
