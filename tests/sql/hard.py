"""A table of everything that is hard to write in SQL, students of it, and databases that hold it."""

import sqlite3
from functools import cache

import duckdb
import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.pipeline import make_pipeline

from tabkd import DistilledClassifier, DistilledRegressor, ExportedStudent
from tabkd._cli.table_codes import TableCodes
from tabkd.batch._reasons import ReasonOptions, Reasons
from tests.export.hard import FAST, fast_students
from tests.small_tables import targets

N_REASONS = 3
TASKS = ("binary", "multiclass", "regression", "two targets")
TEXTS = ["it's", 'a"b', "ü\\n", "", "NULL", "007", "nan ", "日本"]


def table(n=300, seed=0):
    """Names that need quotes, words of SQL, names that subselects have, and values of every type."""
    rng = np.random.default_rng(seed)

    def some_missing(values):
        return pd.Series(np.where(rng.random(n) < 0.1, None, values), dtype=object)

    days = pd.to_datetime(["2026-01-01T00:00", "2026-02-01T12:30", "2026-03-01T00:00"])
    frame = pd.DataFrame(
        {
            'amount "EUR"': np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(2, 1, n)),
            "select": rng.integers(0, 30, n),
            "ONLINE": rng.random(n) < 0.5,
            "x1": pd.array(rng.integers(18, 90, n), dtype="Int64"),
            "paid ü": pd.array(rng.random(n) < 0.5, dtype="boolean"),
            "c2": pd.Categorical(rng.integers(1, 4, n)),
            "v1": some_missing(rng.choice(np.array(TEXTS, dtype=object), n)),
            "day": pd.Categorical(days[rng.integers(0, 3, n)]),
            "time": 1_700_000_000.0 + rng.integers(0, 5000, n) + 0.25,
            "many": rng.choice([f"m{i}" for i in range(90)], n).astype(object),
            "layer1": 1.0,
        }
    )
    frame.loc[rng.random(n) < 0.1, ["x1", "paid ü"]] = pd.NA
    return frame


def new_rows(n=400):
    """Rows with missing values everywhere, unseen categories and numbers far away."""
    frame, rng = table(n, seed=1).astype({"c2": float, "day": object, "select": float}), np.random.default_rng(2)
    frame["day"] = frame["day"].map(str).astype(object)
    odd = {"c2": [np.nan, 9, 1.5], "v1": [None, "it''s", "NAN", "🦆"], "day": [None, "2027-01-01"]}
    odd |= {"many": [None, "m"], "select": [np.nan, -1e6, 1e30], "time": [np.nan, 0, -1e300, 1.8e9]}
    for name, values in odd.items():
        chosen = rng.random(n) < 0.2
        frame.loc[chosen, name] = (
            pd.Series(values, dtype=frame[name].dtype).sample(chosen.sum(), replace=True, random_state=0).to_numpy()
        )
    return frame


@cache
def teacher(task):
    kind = RandomForestClassifier if task in TASKS[:2] else RandomForestRegressor
    return make_pipeline(TableCodes(), kind(5, random_state=0))


def signal_frame(frame):
    """The columns that `targets` reads, under the names that it knows."""
    names = {'amount "EUR"': "amount", "select": "visits", "ONLINE": "online"}
    return frame.rename(columns=names)[list(names.values())]


@cache
def exported(student, task, contributions=False):
    """A student of the table."""
    frame, one = table(), fast_students()[student]
    if student == "mlp" and task in ("binary", "regression"):
        one.set_params(max_levels=20)  # the others read every level by a unit
    kind = DistilledClassifier if task in TASKS[:2] else DistilledRegressor
    model = kind(teacher(task), student=one, **FAST).fit(frame, targets(signal_frame(frame), task))
    return ExportedStudent(model.to_onnx(contributions=contributions).SerializeToString())


def arrow(frame):
    """The rows with a number each, in Arrow's types."""
    return pa.Table.from_pandas(frame.assign(row=np.arange(len(frame))), preserve_index=False)


def in_duckdb(statement, rows, name="data"):
    with duckdb.connect() as connection:
        connection.register(name, rows)
        return connection.execute(statement).df()


def in_sqlite(statement, rows, name="data"):
    connection = sqlite3.connect(":memory:")
    try:
        names = ", ".join('"' + column.replace('"', '""') + '"' for column in rows.column_names)
        connection.execute(f"CREATE TABLE {name} ({names})")
        values = zip(*(column.to_pylist() for column in rows.columns), strict=True)
        connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * rows.num_columns)})", values)
        return pd.read_sql_query(statement, connection)
    finally:
        connection.close()


def in_doubles(student, frame):
    """The scores that the graph of the file gives if every number in it is a double."""
    model = onnx.load_from_string(student._graph.cut(student._output))
    for tensor in [*model.graph.initializer, *(a.t for node in model.graph.node for a in node.attribute)]:
        if tensor.data_type == TensorProto.FLOAT:
            wide = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
    for cast in [a for node in model.graph.node if node.op_type == "Cast" for a in node.attribute]:
        cast.i = TensorProto.DOUBLE if cast.i == TensorProto.FLOAT else cast.i
    for zeros in [node for node in model.graph.node if node.op_type == "ConstantOfShape" and not node.attribute]:
        zeros.attribute.append(onnx.helper.make_attribute("value", numpy_helper.from_array(np.zeros(1))))
    numbers, rows = student._reader.tensors(frame)
    feeds = {entry.name: student._graph._prepared(numbers).astype(np.float64) for entry in model.graph.input}
    if student._rows_name in feeds:
        feeds[student._rows_name] = rows
    return ReferenceEvaluator(model).run([student._output], feeds)[0]


def assert_scores(found, student, frame):
    """The columns are those of `tabkd score`, with its labels, and numbers that differ from its by float32 alone."""
    found = found.sort_values("row").drop(columns="row")
    n, is_classifier = student.metadata["n_outputs"], student.metadata["task"] == "classification"
    if is_classifier:
        assert list(found) == ["prediction", *(f"probability_{label}" for label in student.classes_)]
        assert found.pop("prediction").tolist() == student.predict(frame).tolist()
    else:
        assert list(found) == ([f"prediction_{k}" for k in range(n)] if n > 1 else ["prediction"])
    scores = student._scores(frame)
    unit = 1 if is_classifier else scores.std()
    np.testing.assert_allclose(found.to_numpy(float), in_doubles(student, frame), rtol=0, atol=1e-12 * unit)
    np.testing.assert_allclose(found.to_numpy(float), scores, rtol=0, atol=1e-5 * unit)


def split(found):
    """The scores, and the reasons, in the order of the rows."""
    found = found.sort_values("row", ignore_index=True)
    names = [f"{kind}_{k}" for kind in ("reason", "contribution") for k in range(1, N_REASONS + 1)]
    assert list(found)[-2 * N_REASONS :] == names
    return found.drop(columns=names), found[names]


def assert_reasons(found, student, frame):
    """Each reason moves its row as much as the one of `tabkd score`, of which two may be equal."""
    scores, reasons = split(found)
    assert_scores(scores, student, frame)
    given = pa.Table.from_pandas(scores.drop(columns="row"), preserve_index=False)
    expected = Reasons(student, ReasonOptions(N_REASONS)).columns(frame, given)
    unit = np.nanmean(np.abs(expected["contribution_1"].to_numpy(zero_copy_only=False).astype(float)))
    for k in map(str, range(1, N_REASONS + 1)):
        reason, size = reasons["reason_" + k], reasons["contribution_" + k]
        sizes = expected["contribution_" + k].to_numpy(zero_copy_only=False).astype(float)
        np.testing.assert_allclose(size.astype(float), sizes, rtol=1e-4, atol=1e-4 * unit)
        is_same = reason.fillna("") == expected["reason_" + k].fill_null("").to_pylist()
        assert is_same.mean() > 0.95
        assert reason.isna().equals(size.isna())
