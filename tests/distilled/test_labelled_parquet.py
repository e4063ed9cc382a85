"""Rows that were labelled elsewhere, learnt from Parquet files."""

import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from tabkd import DistilledClassifier, LabelledParquet, _labelled_files, _labelled_rows
from tabkd._labelled_files import LabelledFiles
from tabkd._labelled_rows import LabelledRows
from tabkd._learning_rows import Teaching
from tabkd._progress import TextLines
from tabkd._tables.schema import TableSchema
from tabkd._task import Classification, Regression
from tabkd.students import SoftRows
from tests.distilled.quick import QUICK, Recording, classifier, regressor
from tests.small_tables import mixed_frame, numeric_frame, signal, targets

CLASSES = ["no", "yes"]


def with_labels(frame):
    """The frame with a probability of "yes" that its columns decide."""
    probability = 1 / (1 + np.exp(-signal(frame)))
    return frame.assign(probability_no=1 - probability, probability_yes=probability)


def write(frame, folder, n_files=3, row_group_size=40):
    """The frame in files of several row groups."""
    folder.mkdir(exist_ok=True, parents=True)
    for i, part in enumerate(np.array_split(np.arange(len(frame)), n_files)):
        frame.iloc[part].to_parquet(folder / f"{i}.parquet", index=False, row_group_size=row_group_size)
    return LabelledParquet(folder)


def stream(given, X, task=None, n_outputs=2, seed=0, temperature=1.0, bar=None):
    schema = TableSchema.of(X)
    task = task or Classification(np.array(CLASSES))
    files = LabelledFiles(given, schema, task, n_outputs)
    return LabelledRows(files, Teaching(None, schema, task, temperature, 1.0), 0.5, seed, bar)


def in_order(rows):
    """Rows as one array, sorted, so that their order does not matter."""
    together = np.column_stack([rows.codes, rows.targets, rows.weights])
    return together[np.lexsort(together.T)]


@pytest.fixture
def small(monkeypatch):
    """Chunks of 500 rows, batches of 500, and pools of some 1,000."""
    monkeypatch.setattr(_labelled_rows, "CHUNK_ROWS", 500)
    monkeypatch.setattr(_labelled_files, "CHUNK_ROWS", 500)
    monkeypatch.setattr(_labelled_rows, "_POOL_VALUES", 7_000)


# What is read


@pytest.mark.parametrize("frame", [mixed_frame(300), numeric_frame(300)], ids=["mixed", "numeric"])
def test_rows_of_files_are_encoded_like_rows_in_memory(frame, tmp_path):
    rows = SoftRows.concatenate(list(stream(write(with_labels(frame), tmp_path / "rows"), frame)))
    labels = with_labels(frame)[["probability_no", "probability_yes"]].to_numpy()
    expected = SoftRows(TableSchema.of(frame).encode(frame), labels, np.full(300, 0.5))
    np.testing.assert_allclose(in_order(rows), in_order(expected), rtol=1e-12)


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (pd.DataFrame.to_numpy, ["x0", "x1"]),
        (pl.from_pandas, ["amount", "visits"]),
        (lambda frame: frame.set_axis([7, 8], axis=1), ["7", "8"]),
    ],
    ids=["array", "polars", "numbered"],
)
def test_tables_of_every_kind_find_their_columns(table, names, tmp_path):
    frame = numeric_frame(100)[["amount", "visits"]].astype(float)
    X, named = table(frame), frame.set_axis(names, axis=1)
    given = write(named[named.columns[::-1]].assign(probability_no=0.25, probability_yes=0.75), tmp_path / "rows")
    rows = SoftRows.concatenate(list(stream(given, X)))
    np.testing.assert_array_equal(np.sort(rows.codes, axis=0), np.sort(frame.to_numpy(), axis=0))
    assert (rows.targets == [0.25, 0.75]).all()


def test_several_places_and_folders_that_are_columns(tmp_path):
    frame = with_labels(numeric_frame(200))
    for visits, part in frame.groupby("visits"):
        write(part.drop(columns="visits"), tmp_path / "rows" / f"visits={visits}", n_files=1)
    (tmp_path / "rows" / "_SUCCESS").touch()
    write(frame, tmp_path / "more")
    given = LabelledParquet([str(tmp_path / "rows"), tmp_path / "more" / "*.parquet"])
    rows = SoftRows.concatenate(list(stream(given, frame[["amount", "visits", "online", "share"]])))
    assert len(rows) == 400
    np.testing.assert_array_equal(np.sort(rows.codes[:, 1]), np.sort(np.tile(frame["visits"], 2)))


def test_columns_that_nobody_needs_are_not_read(tmp_path):
    frame = with_labels(numeric_frame(100))
    table = pa.Table.from_pandas(frame).append_column("when", pa.array([[0]] * 100))
    (tmp_path / "rows").mkdir()
    pa.parquet.write_table(table, tmp_path / "rows" / "a.parquet")
    assert len(SoftRows.concatenate(list(stream(LabelledParquet(tmp_path / "rows"), numeric_frame(100))))) == 100


def test_probabilities_with_few_digits_sum_to_one_again(tmp_path):
    frame = numeric_frame(100)
    given = write(frame.assign(probability_no=np.float32(0.3333), probability_yes=0.6666), tmp_path / "rows")
    rows = SoftRows.concatenate(list(stream(given, frame)))
    np.testing.assert_allclose(rows.targets.sum(axis=1), 1, rtol=1e-12)


def test_weights_come_from_their_column(tmp_path):
    frame = numeric_frame(100)
    given = write(with_labels(frame).assign(w=frame["visits"]), tmp_path / "rows")
    rows = SoftRows.concatenate(list(stream(LabelledParquet(given.inputs, sample_weight="w"), frame)))
    np.testing.assert_array_equal(rows.weights, rows.codes[:, 1])


@pytest.mark.parametrize(("n", "names"), [(1, ["prediction"]), (2, ["prediction_0", "prediction_1"])])
def test_values_are_read_by_their_names(n, names, tmp_path):
    frame = numeric_frame(100)
    labels = {name: signal(frame) + k for k, name in enumerate(names)}
    rows = SoftRows.concatenate(
        list(stream(write(frame.assign(**labels), tmp_path / "rows"), frame, Regression(n == 1), n))
    )
    expected = np.column_stack(list(labels.values()))
    np.testing.assert_array_equal(np.sort(rows.targets, axis=0), np.sort(expected, axis=0))


# In which order, and in how much memory


def test_each_chunk_is_a_random_sample_whatever_the_order_of_the_rows(small, tmp_path):
    frame = with_labels(numeric_frame(5000))
    given = write(frame.sort_values("probability_yes"), tmp_path / "rows", row_group_size=1000)
    chunks = list(stream(given, numeric_frame(5000)))
    means = [chunk.targets[:, 1].mean() for chunk in chunks]
    assert len(chunks) >= 10
    assert np.ptp(means) < 0.1
    for chunk in chunks:  # nor are rows in the order of the files within a chunk
        assert abs(np.corrcoef(chunk.targets[:, 1], np.arange(len(chunk)))[0, 1]) < 0.2


def test_all_rows_come_once_and_in_the_same_order_whenever_they_are_read(small, tmp_path):
    frame = numeric_frame(5000).assign(visits=np.arange(5000))
    rows = stream(write(with_labels(frame), tmp_path / "rows"), frame)
    first, second = (SoftRows.concatenate(list(rows)) for _ in range(2))
    assert sorted(first.codes[:, 1]) == list(range(5000)) == sorted(second.codes[:, 1])
    np.testing.assert_array_equal(first.codes, second.codes)
    other = SoftRows.concatenate(list(stream(LabelledParquet(tmp_path / "rows"), frame, seed=1)))
    assert (other.codes[:, 1] != first.codes[:, 1]).any()


def test_memory_holds_one_pool_and_not_all_rows(monkeypatch, tmp_path):
    n, names = 100_000, [f"c{k}" for k in range(20)]
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(n, 20)), columns=names)
    given = write(frame.assign(probability_no=0.5, probability_yes=0.5), tmp_path / "rows", row_group_size=5000)
    whole = frame.to_numpy().nbytes
    monkeypatch.setattr(_labelled_rows, "_POOL_VALUES", whole // 8 // 8)
    for module in (_labelled_rows, _labelled_files):
        monkeypatch.setattr(module, "CHUNK_ROWS", 5000)
    rows = stream(given, frame)
    next(iter(rows))  # what is imported once
    tracemalloc.start()
    count = 0
    for chunk in rows:
        count += len(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == n
    assert whole / 8 < peak < whole / 3


# What learns from it


def quick(student):
    return DistilledClassifier(Recording(), student=clone(QUICK[student]), random_state=0)


@pytest.mark.parametrize("student", QUICK)
def test_a_student_is_the_same_from_files_and_from_memory(student, small, tmp_path):
    frame = mixed_frame(1200)
    rows = stream(write(with_labels(frame), tmp_path / "rows"), frame)
    real = next(iter(stream(LabelledParquet(tmp_path / "rows"), frame, seed=1)))
    schema, codes = TableSchema.of(frame), TableSchema.of(frame).encode(frame)
    fitted = [
        clone(QUICK[student]).set_params(random_state=0).fit_stream(schema, real, read) for read in (rows, rows.kept())
    ]
    np.testing.assert_array_equal(*(model.predict_codes(codes) for model in fitted))


@pytest.mark.parametrize("student", QUICK)
def test_every_student_learns_what_only_the_files_show(student, tmp_path):
    frame = numeric_frame(600)
    X, y = frame[:100], targets(frame[:100], "binary")
    model = quick(student)
    if student == "mlp":
        model.set_params(student__max_iter=60)
    model.fit(X, y, X_unlabeled=write(with_labels(frame), tmp_path / "rows"))
    expected = with_labels(frame)["probability_yes"]
    # The teacher itself gives every row the same probability.
    assert np.corrcoef(model.predict_proba(frame)[:, 1], expected)[0, 1] > 0.8
    assert model.labelling_.n_rows == 0


def test_values_teach_a_regressor(tmp_path):
    frame = numeric_frame(600)
    given = write(frame.assign(prediction=signal(frame)), tmp_path / "rows")
    model = regressor(LinearRegression(), n_synthetic="auto").fit(frame[:50], signal(frame[:50]), X_unlabeled=given)
    assert model.score(frame, signal(frame)) > 0.95


def test_a_temperature_softens_the_labels_of_files(tmp_path):
    frame = numeric_frame(100)
    given = write(frame.assign(probability_no=0.2, probability_yes=0.8), tmp_path / "rows")
    np.testing.assert_allclose(next(iter(stream(given, frame, temperature=2.0))).targets[0], [1 / 3, 2 / 3])


def test_it_shows_itself_as_the_call_that_makes_it():
    assert repr(LabelledParquet("rows", sample_weight="w")) == "LabelledParquet('rows', sample_weight='w')"


# What cannot be used


def refused(frame, folder, given=None):
    X = mixed_frame(300)
    return classifier(Recording(), n_synthetic="auto").fit(
        X, targets(X, "binary"), X_unlabeled=given or write(frame, folder / "rows")
    )


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("probability_no", np.nan, "row 7: column 'probability_no' is nan, but a number"),
        ("probability_no", 1.5, "row 7: column 'probability_no' is 1.5, but a probability"),
        ("probability_yes", -0.5, "row 7: column 'probability_yes' is -0.5, but a probability"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(column, value, message, tmp_path):
    frame = with_labels(mixed_frame(300))
    frame.loc[107, column] = value  # the second file begins with row 100
    with pytest.raises(ValueError, match=rf"rows/1.parquet', {message}"):
        refused(frame, tmp_path)


def test_an_infinite_number_is_named_with_the_rows_that_it_is_among(small, tmp_path):
    frame = with_labels(numeric_frame(5000))
    frame.loc[4200, "amount"] = np.inf
    given = write(frame, tmp_path / "rows", n_files=2)
    with pytest.raises(
        ValueError, match=r"(?s)rows/1.parquet', whose row 1,500 is row 0 here: .*'amount'.*row 200: inf"
    ):
        list(stream(given, numeric_frame(5000)))


def test_probabilities_that_do_not_sum_to_one_are_refused(tmp_path):
    frame = with_labels(mixed_frame(300)).assign(probability_no=0.5, probability_yes=0.2)
    with pytest.raises(ValueError, match=r"row 0 sum to 0\.7 and not to one, in the columns 'probability_no', "):
        refused(frame, tmp_path)


def test_a_wrong_label_is_found_before_the_first_lesson(small, tmp_path):
    frame = with_labels(numeric_frame(5000))
    frame.loc[4999, "probability_no"] = np.nan
    for seed in range(3):
        with pytest.raises(ValueError, match="is nan"):
            next(iter(stream(write(frame, tmp_path / "rows"), numeric_frame(5000), seed=seed)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probability_yes": None}, "no column 'probability_yes'; the teacher's answers are in the columns 'prob"),
        ({"amount": None}, r"no column 'amount' \(a column of the table\); there are 'visits'"),
        ({"probability_no": "much"}, "'probability_no' of .* is (large_)?string, but labels are numbers"),
        ({"amount": "much"}, "row 0: column 'amount' is 'much': "),
        ({"shop": 1.5}, "column 'shop' of .* is double, but text in the model: row 0 has '1.5'"),
    ],
    ids=str,
)
def test_columns_that_cannot_be_used_are_named_before_the_teacher_is_fitted(change, message, tmp_path, fits):
    frame = with_labels(mixed_frame(300))
    for name, value in change.items():
        frame = frame.drop(columns=name) if value is None else frame.assign(**{name: value})
    with pytest.raises(ValueError, match=message):
        refused(frame, tmp_path)
    assert change == {"amount": "much"} or not fits  # a value is met when it is read


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (None, r"no column 'w' \(weights\); there are 'amount'"),
        ("heavy", "'w' of .* is (large_)?string, but weights are numbers"),
        (-1.0, "row 0: column 'w' is -1, but a weight of at least 0"),
    ],
)
def test_weights_that_cannot_be_used_are_named(weight, message, tmp_path):
    frame = with_labels(mixed_frame(300))
    given = write(frame if weight is None else frame.assign(w=weight), tmp_path / "rows")
    with pytest.raises(ValueError, match=message):
        refused(None, tmp_path, LabelledParquet(given.inputs, sample_weight="w"))


@pytest.mark.parametrize(
    ("name", "weight", "message"),
    [
        ("probability_yes", None, "column 'probability_yes' of the table has the name of the teacher's answers"),
        ("amount", "probability_yes", "sample_weight='probability_yes' is a column of the teacher's answers"),
    ],
)
def test_a_column_is_not_taken_for_a_label(name, weight, message, tmp_path):
    X = pd.DataFrame({name: np.linspace(0, 1, 50), "other": 1.0})
    y = np.where(X[name] > 0.5, "yes", "no")
    files = write(X.assign(probability_no=0.5, probability_yes=0.5), tmp_path)
    with pytest.raises(ValueError, match=message):
        classifier(n_synthetic="auto").fit(X, y, X_unlabeled=LabelledParquet(files.inputs, sample_weight=weight))


def test_rows_that_are_read_again_are_not_told_again(small, tmp_path):
    X = numeric_frame(1200)
    bar = TextLines()
    rows = stream(write(with_labels(X), tmp_path), X, bar=bar)
    for _ in range(2):
        next(iter(rows))
        assert sum(map(len, rows)) == 1200
    assert bar._done == 1200


def test_places_without_labelled_rows_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"the folder '.*empty' has no \.parquet"):
        refused(None, tmp_path, LabelledParquet(tmp_path / "empty"))
    with pytest.raises(FileNotFoundError, match=r"'.*none' does not exist"):
        refused(None, tmp_path, LabelledParquet(tmp_path / "none"))
    frame = with_labels(mixed_frame(300))
    with pytest.raises(ValueError, match="has no rows; label some"):
        refused(None, tmp_path, write(frame[:0], tmp_path / "nothing", n_files=1))
    frame.to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(ValueError, match=r"rows.csv' is a file of CSV; labelled rows are read from Parquet"):
        refused(None, tmp_path, LabelledParquet(tmp_path / "rows.csv"))


def test_synthetic_rows_are_not_asked_for_as_well(X, y, tmp_path):
    given = LabelledParquet(tmp_path)
    with pytest.raises(ValueError, match=r"n_synthetic=400, but the rows of LabelledParquet\(.*replace"):
        classifier().fit(X, y, X_unlabeled=given)
