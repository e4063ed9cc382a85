"""What a statement says, reads and refuses; the proof that it scores like the file."""

import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from numpydoc.docscrape import FunctionDoc
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier
from sqlglot import exp

import tabkd
from tabkd import DistilledClassifier, DistilledRegressor, ExportedStudent
from tabkd._cli.table_codes import TableCodes
from tabkd._sql import _OLDEST
from tabkd._sql.dialects import DIALECTS
from tabkd._sql.layers import Layers
from tabkd._sql.proof import prove
from tabkd._sql.scalars import Sql
from tabkd._sql.statement import Student
from tabkd._sql.trees import _middle, trees
from tabkd.scoring._facts import category_tables
from tabkd.students import STUDENTS, MLPStudent, TreeStudent
from tests.export.hard import FAST, fast_students
from tests.small_tables import numeric_frame, targets
from tests.sql.hard import arrow, assert_scores, exported, in_duckdb, in_sqlite, new_rows, table


def in_both(one, frame):
    """The statements of a student score the rows of a frame like its file."""
    rows = arrow(frame)
    for run in (in_duckdb, in_sqlite):
        assert_scores(run(one.to_sql(run.__name__.removeprefix("in_"), keep=["row"]), rows), one, frame)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_dialect_is_parsed_back_and_says_what_was_run(dialect):
    title = DIALECTS[dialect].title
    text = exported("tree", "binary").to_sql(dialect, table="a.b", keep=["it's a key"])
    first, second, *_ = text.splitlines()
    assert first == f"-- Classification by a student of tabkd {tabkd.__version__}, in the SQL of {title}."
    run = dialect in ("duckdb", "sqlite")
    assert second.startswith(f"-- Compared with the ONNX file in {title}" if run else f"-- Not run in {title}")
    (parsed,) = sqlglot.parse(text, dialect=dialect)
    assert parsed.named_selects == ["it's a key", "prediction", "probability_no", "probability_yes"]


def test_a_distilled_model_gives_the_statement_of_its_file():
    X = numeric_frame(200)
    model = DistilledClassifier(RandomForestClassifier(5, random_state=0), student="tree", **FAST)
    model.fit(X, targets(X, "binary"))
    exported = ExportedStudent(model.to_onnx().SerializeToString())
    assert model.to_sql("sqlite", table="t", keep=["k"]) == exported.to_sql("sqlite", table="t", keep=["k"])


def test_models_and_files_document_the_same_parameters_and_errors():
    model, file = (FunctionDoc(one.to_sql) for one in (DistilledClassifier, ExportedStudent))
    assert model["Parameters"] == file["Parameters"]
    assert [error.type for error in model["Raises"]] == [error.type for error in file["Raises"]]


def test_columns_can_have_other_names_in_the_table():
    one, frame = exported("tree", "regression"), new_rows(50)
    renamed = frame.rename(columns={"select": "from", "v1": 'shop "1"'})
    statement = one.to_sql("duckdb", keep=["row"], column_map={"select": "from", "v1": 'shop "1"'})
    assert_scores(in_duckdb(statement, arrow(renamed)), one, frame)


def test_kept_columns_may_have_the_names_that_subselects_use():
    one, frame = exported("mlp", "regression"), new_rows(20)
    found = in_duckdb(one.to_sql("duckdb", keep=["row", "v1", "layer1", "x1", "c2"]), arrow(frame))
    assert_scores(found.drop(columns=["v1", "layer1", "x1", "c2"]), one, frame)
    assert found.sort_values("row")["x1"].tolist() == frame["x1"].tolist()


@pytest.mark.parametrize("run", [in_duckdb, in_sqlite])
@pytest.mark.parametrize("name", ["table1", "layer1", "LAYER1", "source1"])
def test_the_table_may_have_a_name_that_subselects_use(run, name):
    one, frame = exported("tree", "binary"), new_rows(20)
    statement = one.to_sql(run.__name__.removeprefix("in_"), table=name, keep=["row"])
    assert_scores(run(statement, arrow(frame), name), one, frame)


@pytest.mark.parametrize("missing", ["v1", "select", "many", "row"])
@pytest.mark.parametrize("run", [in_duckdb, in_sqlite])
def test_a_table_without_a_column_is_an_error_in_the_database(run, missing):
    statement = exported("tree", "binary").to_sql(run.__name__.removeprefix("in_"), keep=["row"])
    rows = arrow(new_rows(5)).drop_columns([missing])
    with pytest.raises((duckdb.BinderException, pd.errors.DatabaseError), match=missing):
        run(statement, rows)


@cache
def _of_names_that_differ_in_case():
    X = numeric_frame(200)[["amount", "visits"]].set_axis(["a", "A"], axis=1)
    model = DistilledClassifier(DecisionTreeClassifier(random_state=0), student="tree", **FAST)
    return model.fit(X, np.where((X.median() < X).all(axis=1), "u", "v")), X


@pytest.mark.parametrize("run", [in_duckdb, in_sqlite])
def test_names_that_differ_in_case_alone_need_others_where_the_database_ignores_case(run):
    (model, X), dialect = _of_names_that_differ_in_case(), run.__name__.removeprefix("in_")
    with pytest.raises(ValueError, match=r"column_map .* 'a' and 'A', which are the same name in"):
        model.to_sql(dialect)
    one = ExportedStudent(model.to_onnx().SerializeToString())
    statement = one.to_sql(dialect, keep=["row"], column_map={"A": "b"})
    assert_scores(run(statement, arrow(X.rename(columns={"A": "b"}))), one, X)


@pytest.mark.parametrize("dialect", ["postgres", "snowflake", "tsql"])
def test_names_that_differ_in_case_alone_are_written_for_other_databases(dialect):
    selected = sqlglot.parse_one(_of_names_that_differ_in_case()[0].to_sql(dialect), dialect=dialect)
    assert {"a", "A"} <= {column.name for column in selected.find_all(exp.Column)}


def test_nan_is_a_missing_value():
    one, frame = exported("additive", "regression"), new_rows(50)
    numbers = ['amount "EUR"', "select", "time", "c2"]
    rows = arrow(frame)
    for name in numbers:
        values = pa.array(frame[name].astype(float).to_numpy(), from_pandas=False)
        rows = rows.set_column(rows.column_names.index(name), name, values)
    assert np.isnan(rows["time"].to_numpy()).any()
    assert not rows["time"].null_count
    assert_scores(in_duckdb(one.to_sql("duckdb", keep=["row"]), rows), one, frame)


@pytest.mark.parametrize("student", STUDENTS)
def test_a_table_of_numbers_with_a_log_link_scores_the_same(student):
    X = numeric_frame(300).astype(float)
    X["time"] = 1.7e9 + np.arange(300.0) % 50
    forest = RandomForestRegressor(5, random_state=0)
    model = DistilledRegressor(forest, student=fast_students()[student], link="log", **FAST)
    model.fit(X, np.exp(targets(numeric_frame(300), "regression")))
    X["share"] = X["share"].mask(X["visits"] > 20)
    in_both(ExportedStudent(model.to_onnx().SerializeToString()), X)


@pytest.mark.parametrize("student", ["mlp", "tree"])
def test_temperature_and_weights_of_one_byte_score_the_same(student):
    X = numeric_frame(300)
    one = MLPStudent(hidden_layer_sizes=(8, 4), weight_bits=8, max_iter=3) if student == "mlp" else TreeStudent()
    model = DistilledClassifier(RandomForestClassifier(5, random_state=0), student=one, temperature=2.0, **FAST)
    in_both(ExportedStudent(model.fit(X, targets(X, "multiclass")).to_onnx().SerializeToString()), X)


@pytest.mark.parametrize("student", [name for name in STUDENTS if name != "boosted_trees"])  # they refuse it
def test_columns_that_never_vary_score_the_same(student):
    X, y = pd.DataFrame({"a": np.ones(100), "b": ["x"] * 100}), np.tile(["u", "v"], 50)
    model = DistilledClassifier(DummyClassifier(), student=fast_students()[student], **FAST).fit(X, y)
    rows = pd.DataFrame({"a": [1, 2, None], "b": ["y", "x", None]})
    found = in_duckdb(model.to_sql("duckdb", keep=["row"]), arrow(rows))
    np.testing.assert_allclose(found[["probability_u", "probability_v"]], model.predict_proba(rows), atol=1e-6)


_CLASSES = {
    "text": ["größer", "it's", 'a"b'],
    "bool": [False, True],
    "int": [-1, 0, 7],
    "uint8": np.array([1, 2], dtype="uint8"),
    "float": [-1.0, 0.0, 2.0],
}


@cache
def _of_classes(kind):
    labels, X = np.asarray(_CLASSES[kind]), numeric_frame(200)
    model = DistilledClassifier(DecisionTreeClassifier(random_state=0), student="tree", **FAST)
    model.fit(X, labels[np.argsort(np.argsort(X["amount"])) * len(labels) // len(X)])
    return ExportedStudent(model.to_onnx().SerializeToString()), X


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("kind", _CLASSES)
def test_labels_of_every_type_are_written_in_every_dialect(kind, dialect):
    one, X = _of_classes(kind)
    statement = one.to_sql(dialect, keep=["row"])
    if dialect in ("duckdb", "sqlite"):
        assert_scores((in_duckdb if dialect == "duckdb" else in_sqlite)(statement, arrow(X)), one, X)
    if dialect == "tsql":
        assert {"text": "N'größer'", "bool": "CAST(1 AS BIT)", "float": "CAST(2e0 AS FLOAT)"}.get(kind, "") in statement
    if dialect == "postgres" and kind == "float":
        assert "CAST(2e0 AS DOUBLE PRECISION)" in statement


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("database", ["duckdb", "sqlite"])
def test_categories_are_compared_letter_by_letter_whatever_the_collation_of_the_column(database, many):
    """'X' is no 'x', in a case of few categories and in a join of many."""
    names = np.array(["x", "y", *(f"m{i}" for i in range(20 if many else 2))])
    X = pd.DataFrame({"a": np.tile(names, 20)})
    y = np.where(X["a"] == "x", "u", "v")
    teacher = make_pipeline(TableCodes(), DecisionTreeClassifier(random_state=0))
    model = DistilledClassifier(teacher, student="additive", **FAST).fit(X, y)
    statement, rows = model.to_sql(database, keep=["a"]), pd.DataFrame({"a": ["x", "X"]})
    connect = duckdb.connect if database == "duckdb" else sqlite3.connect
    with closing(connect(":memory:")) as connection:
        connection.execute("CREATE TABLE data (a TEXT COLLATE NOCASE)")
        connection.executemany("INSERT INTO data VALUES (?)", [["x"], ["X"]])
        found = {a: p for a, _, p, _ in connection.execute(statement).fetchall()}
    np.testing.assert_allclose([found["x"], found["X"]], model.predict_proba(rows)[:, 0], atol=1e-6)


def test_a_constant_score_is_a_double_where_numbers_alone_are_decimals():
    X = pd.DataFrame({"a": np.ones(100)})
    model = DistilledClassifier(DummyClassifier(), student="tree", **FAST).fit(X, np.tile(["u", "v"], 50))
    _, *scores = sqlglot.parse_one(model.to_sql("postgres"), dialect="postgres").expressions
    assert [score.this.sql("postgres") for score in scores] == ["CAST(0.5e0 AS DOUBLE PRECISION)"] * 2


@pytest.mark.parametrize("missing_left", [0, 1])
@pytest.mark.parametrize("most_nested", [30, 29])
def test_a_deep_tree_is_listed_leaf_by_leaf(most_nested, missing_left):
    """A tree of 30 splits, each below the left side of the one above or the right one in turn."""
    n, kinds = 30, ["BRANCH_LEQ"] * 30 + ["LEAF"] * 31
    number = np.r_[np.arange(1, n), 2 * n]  # the next split, and the last leaf
    odd = np.arange(n) % 2 == 1
    given = {
        "nodes_treeids": [0] * 61,
        "nodes_nodeids": list(range(61)),
        "nodes_featureids": [0] * 61,
        "nodes_values": [*(np.arange(n) * (-0.9) ** np.arange(n)), *[0.0] * 31],
        "nodes_modes": [kind.encode() for kind in kinds],
        "nodes_truenodeids": [*np.where(odd, n + np.arange(n), number), *[0] * 31],
        "nodes_falsenodeids": [*np.where(odd, number, n + np.arange(n)), *[0] * 31],
        "nodes_missing_value_tracks_true": [missing_left] * 61,
        "target_treeids": [0] * 31,
        "target_nodeids": list(range(n, 61)),
        "target_ids": [0] * 31,
        "target_weights": list(range(n, 61)),
    }
    (found,) = trees([Sql(exp.column("x"), 0)], given, Layers([]), most_nested)
    text = found.written.sql("duckdb")
    assert text.count("CASE") == (n if most_nested == n else 1)
    values = [None, *np.linspace(-6, 6, 200)]
    query = f"SELECT {text} FROM (SELECT unnest(?::DOUBLE[]) AS x)"
    with duckdb.connect() as connection:
        answers = [answer for (answer,) in connection.execute(query, [values]).fetchall()]
    assert answers == [_leaf(given, value) for value in values]


def _leaf(given, value):
    node = 0
    while given["nodes_modes"][node] != b"LEAF":
        threshold = np.float32(given["nodes_values"][node])
        is_left = given["nodes_missing_value_tracks_true"][0] if value is None else np.float32(value) <= threshold
        node = given["nodes_truenodeids" if is_left else "nodes_falsenodeids"][node]
    return node


@settings(max_examples=300)
@given(st.floats(-(2.0**126), 2.0**126, width=32), st.integers(-3, 3), st.floats(-1e38, 1e38))
def test_a_double_takes_the_way_of_its_float32(threshold, steps, far):
    middle, takes_middle = _middle(threshold)
    near = middle
    for _ in range(abs(steps)):
        near = np.nextafter(near, np.inf if steps > 0 else -np.inf)
    for x in (near, far, threshold):
        with np.errstate(over="ignore"):
            expected = bool(np.float32(x) <= np.float32(threshold))
        if np.isfinite(np.float32(x)):
            assert (x <= middle if takes_middle else x < middle) == expected


@pytest.mark.parametrize("student", ["boosted_trees", "additive"])
def test_any_number_and_text_scores_the_same(student):
    one = exported(student, "binary")
    number = st.one_of(st.none(), st.floats(-1e300, 1e300), st.integers(-5, 40).map(float))
    texts = st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5))
    row = st.tuples(number, number, number, texts, st.sampled_from([None, "it's", 'a"b', "ü\\n", ""]))
    statement = one.to_sql("sqlite", keep=["row"])

    @settings(max_examples=30)
    @given(st.lists(row, min_size=1, max_size=20))
    def check(rows):
        frame = pd.concat([table(1).astype({"select": float, "day": object})] * len(rows), ignore_index=True)
        frame["day"] = "2026-01-01 00:00:00"
        for name, values in zip(['amount "EUR"', "select", "time", "many", "v1"], zip(*rows, strict=True), strict=True):
            frame[name] = pd.Series(values, dtype=object if name in ("many", "v1") else float)
        found = in_sqlite(statement, arrow(frame)).sort_values("row")
        columns = ["probability_no", "probability_yes"]
        np.testing.assert_allclose(found[columns], one.predict_proba(frame), rtol=0, atol=1e-5)

    check()


def test_the_proof_refuses_scores_and_labels_that_differ():
    one = exported("tree", "multiclass")
    student = Student(one.content, one.metadata, category_tables(one.content, one.metadata))
    assert prove(student, DIALECTS["postgres"], 0, one._scores).difference < 1e-6
    for off in (0.001, [[0.5, 0, -0.5]], np.nan):
        with pytest.raises(RuntimeError, match="does not reproduce the student"):
            prove(student, DIALECTS["duckdb"], 0, lambda rows, off=off: one._scores(rows) + off)
    swapped = student._replace(facts=one.metadata | {"classes": one.metadata["classes"][::-1]})
    assert prove(swapped, DIALECTS["sqlite"], 0, one._scores).rows > 600


def test_a_student_without_sql_names_its_operators():
    X = numeric_frame(100)
    model = DistilledRegressor(RandomForestRegressor(5, random_state=0), student=SVR(), **FAST)
    with pytest.raises(NotImplementedError, match="cannot run the operators SVMRegressor"):
        model.fit(X, targets(X, "regression")).to_sql("duckdb")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"dialect": "oracle"}, "dialect='oracle' is not a known dialect.* one of duckdb, sqlite, postgres"),
        ({"table": "a; DROP TABLE b"}, "table='a; DROP TABLE b' is not the name of a table in DuckDB"),
        ({"table": '"a'}, "is not the name of a table"),
        ({"keep": ["Prediction"]}, "keep='Prediction' has the name of a column of scores"),
        ({"column_map": {"selct": "s"}}, "column_map='selct' is not a column of the model; did you mean 'select'"),
    ],
)
def test_what_cannot_be_written_is_refused(how, message):
    with pytest.raises(ValueError, match=message):
        exported("tree", "binary").to_sql(**{"dialect": "duckdb"} | how)


def test_one_text_is_no_list_of_columns():
    with pytest.raises(TypeError, match=r"keep='id' is a text, where a sequence .* expected; write \['id'\]"):
        exported("tree", "binary").to_sql("duckdb", keep="id")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("sys.modules['sqlglot'] = None", "'sqlglot' is not installed; `pip install 'sqlglot>=30.30' onnx`"),
        ("sys.modules['onnx'] = None", "'onnx' is not installed; `pip install 'sqlglot>=30.30' onnx`"),
        ("import sqlglot; sqlglot.__version__ = '30.9.1'", "sqlglot 30.9.1 is too old; `pip install 'sqlglot>=30.30'`"),
    ],
)
def test_where_a_package_is_missing_or_old_an_error_says_what_to_install(tmp_path, changed, message):
    path = tmp_path / "m.onnx"
    path.write_bytes(exported("tree", "binary").content)
    code = f"import sys; {changed}\nimport tabkd; tabkd.load({str(path)!r}).to_sql('duckdb')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert message in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("project", ["pyproject.toml", "tabkd/pyproject.toml"])
def test_the_extra_requires_the_sqlglot_that_the_error_names(project):
    extras = tomllib.loads((Path(__file__).parents[2] / project).read_text("utf-8"))["project"]["optional-dependencies"]
    assert f"sqlglot>={_OLDEST}" in extras["sql"]
