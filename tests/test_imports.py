"""What is imported: only what is needed, nothing in circles. Scoring runs where no package of training is installed."""

import ast
import json
import pickle
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

import tabkd
from tabkd import DistilledClassifier
from tabkd._cli.table_codes import TableCodes

PACKAGE = Path(tabkd.__file__).parent
TRAINING = {
    *("jax", "joblib", "lightgbm", "onnx", "optax", "pandas", "scipy", "skl2onnx", "sklearn", "xgboost"),
}
#: Ahead of a program: the packages of training cannot be imported.
WITHOUT_TRAINING = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {TRAINING}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""
COMMAND = """
import sys
from tabkd._cli import app
try:
    app()
finally:
    print("imported:", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def python(program, *arguments, code=0, cwd=None):
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == code, done.stderr
    return done


def imported(done):
    line = done.stderr.splitlines()[-1]
    assert line.startswith("imported: ")
    return set(line.split()[1:])


@pytest.fixture(scope="module")
def table():
    """Numbers, decimals, booleans, text, dictionaries of text, and missing values in each."""
    rng = np.random.default_rng(0)
    n = 400
    columns = {
        "id": pa.array(np.arange(n)),
        "amount": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.1),
        "price": pa.array([None if k % 9 == 0 else Decimal(k % 7) / 4 for k in range(n)], pa.decimal128(9, 2)),
        "paid": pa.array(rng.random(n) < 0.5, mask=rng.random(n) < 0.1),
        "shop": pa.array(rng.choice(["a", "b", "c"], n), mask=rng.random(n) < 0.1),
        "zip": pa.array(rng.choice(["01234", "10115"], n)).dictionary_encode(),
    }
    return pa.table(columns)


@pytest.fixture(scope="module")
def model(table, tmp_path_factory):
    frame = pd.DataFrame(
        {
            "amount": table["amount"].to_numpy(zero_copy_only=False),
            "price": table["price"].cast(pa.float64()).to_numpy(zero_copy_only=False),
            "paid": pd.array(table["paid"].to_pylist(), "boolean"),
            "shop": pd.Series(table["shop"].to_pylist(), dtype=object),
            "zip": pd.Categorical(table["zip"].to_pylist()),
        }
    )
    y = (frame["shop"] == "a") ^ (frame["amount"].fillna(0) > 0) ^ (frame["zip"] == "01234")
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(10, random_state=0))
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    DistilledClassifier(teacher, n_synthetic=1000, random_state=0).fit(frame, y).to_onnx(path)
    return path


@pytest.fixture(scope="module")
def expected(model, table):
    return tabkd.load(model).predict_proba(table)


def write(table, path):
    if path.suffix == ".parquet":
        pa.parquet.write_table(table, path)
    elif path.suffix == ".csv":
        pa.csv.write_csv(table.set_column(5, "zip", table["zip"].cast(pa.string())), path)
    else:
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table)
    return path


def test_the_package_itself_imports_next_to_nothing():
    done = python("import tabkd, sys; print({name.partition('.')[0] for name in sys.modules})")
    assert not ast.literal_eval(done.stdout) & {*TRAINING, "numpy", "onnxruntime", "pyarrow", "rich", "click"}


def test_the_names_of_the_package_are_those_that_type_checkers_see():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name for node in block.body for alias in node.names} | {"__version__"}
    assert seen == set(tabkd.__all__)
    assert set(tabkd.__all__) <= set(dir(tabkd))
    for name in tabkd.__all__:
        assert getattr(tabkd, name) is not None
    with pytest.raises(AttributeError, match="'tabkd' has no attribute 'Distiller'"):
        _ = tabkd.Distiller


def test_what_training_needs_is_named_where_it_is_not_installed():
    done = python(WITHOUT_TRAINING + "from tabkd import DistilledClassifier", code=1)
    last = done.stderr.splitlines()[-1]
    assert "tabkd.DistilledClassifier needs the package '" in last
    assert last.endswith("is not installed; `pip install tabkd` installs it.")


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".arrow"])
def test_scoring_files_imports_no_package_of_training(model, table, tmp_path, suffix):
    rows = write(table, tmp_path / f"rows{suffix}")
    done = python(COMMAND, "score", model, rows, "--output", tmp_path / f"out{suffix}")
    assert not imported(done) & {*TRAINING, "rich"}
    assert (tmp_path / f"out{suffix}").exists()


@pytest.mark.parametrize("arguments", [["inspect"], ["inspect", "--json"]])
def test_inspecting_imports_no_package_of_training(model, arguments):
    assert not imported(python(COMMAND, *arguments, model)) & TRAINING


def test_two_students_are_compared_without_the_packages_of_training(model, table, tmp_path):
    rows = write(table, tmp_path / "rows.parquet")
    done = python(WITHOUT_TRAINING + COMMAND, "compare", model, model, rows, "--segment", "zip", "--review", "0.1")
    assert not imported(done) & TRAINING
    assert "PSI of scores" in done.stdout


def test_pages_need_jinja_and_no_package_of_training(model, table, tmp_path):
    rows, page = write(table, tmp_path / "rows.parquet"), tmp_path / "page.html"
    summaries = [tmp_path / "first.json", tmp_path / "second.json"]
    for summary in summaries:
        job = ("score", model, rows, "--output", tmp_path / "out.parquet", "--summary", summary)
        python(WITHOUT_TRAINING + COMMAND, *job)
    without_jinja = WITHOUT_TRAINING + "sys.modules['jinja2'] = sys.modules['markupsafe'] = None\n"
    for command in (("compare", model, model, rows), ("monitor", *summaries)):
        assert not imported(python(WITHOUT_TRAINING + COMMAND, *command, "--html", page)) & TRAINING
        assert "</html>" in page.read_text(encoding="utf-8")
        page.unlink()
        python(without_jinja + COMMAND, *command)
        done = python(without_jinja + COMMAND, *command, "--html", page, code=1)
        assert done.stderr.startswith("Error: a page of HTML needs Jinja2, which is not installed: pip install jinja2.")
        assert not page.exists()


def test_help_imports_no_package_of_training():
    for command in ([], ["score"], ["inspect"], ["compare"], ["monitor"], ["demo"]):
        assert not imported(python(COMMAND, *command, "--help")) & {*TRAINING, "numpy", "pyarrow", "rich"}


def test_distilling_names_the_package_of_training_that_is_missing():
    done = python(WITHOUT_TRAINING + COMMAND, "distill", "t.csv", "--target", "y", "--output", "out", code=1)
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("Error: No module named '")
    assert "install it, or everything that distilling needs with `pip install tabkd`." in done.stderr


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".arrow"])
def test_files_are_scored_without_the_packages_of_training(model, table, expected, tmp_path, suffix):
    bad = table.slice(0, 2).set_column(1, "amount", pa.array([float("inf"), 1.0]))
    rows = write(pa.concat_tables([table, bad]), tmp_path / f"rows{suffix}")
    options = ["--keep", "id", "--rejects", tmp_path / "rejects.csv", "--max-rejects", 1]
    options += ["--summary", tmp_path / "summary.json"]
    done = python(WITHOUT_TRAINING + COMMAND, "score", model, rows, "--output", tmp_path / "out.parquet", *options)
    assert not imported(done) & TRAINING
    found = pa.parquet.read_table(tmp_path / "out.parquet")
    np.testing.assert_allclose(found["probability_True"].to_numpy()[: len(table)], expected[:, 1], atol=1e-6)
    assert [int(row) for row in found["id"].to_pylist()] == [*range(len(table)), 1]
    assert pa.csv.read_csv(tmp_path / "rejects.csv")["column"].to_pylist() == ["amount"]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["rejected"] == 1
    assert summary["drift"]


def test_a_model_is_inspected_without_the_packages_of_training(model):
    for options in ([], ["--json"]):
        done = python(WITHOUT_TRAINING + COMMAND, "inspect", model, *options)
        assert done.stdout == python(COMMAND, "inspect", model, *options).stdout
        assert "01234" in done.stdout


def test_tables_of_every_kind_are_scored_without_pandas(model, table, expected, tmp_path):
    columns = table.drop_columns("id").to_pydict()
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    strange = {**columns, "shop": [pc_value if k % 2 else 3 for k, pc_value in enumerate(columns["shop"])]}
    given = {
        "columns": columns,
        "rows": rows,
        "strange": strange,
        "objects": np.array([list(r.values()) for r in rows]),
    }
    (tmp_path / "given.pickle").write_bytes(pickle.dumps(given))
    write(table, tmp_path / "rows.arrow")
    program = (
        WITHOUT_TRAINING
        + """
import pickle, pathlib
import numpy as np, polars as pl, pyarrow as pa, pyarrow.ipc
import tabkd

model = tabkd.load(sys.argv[1], n_jobs=-2)
given = pickle.loads(pathlib.Path("given.pickle").read_bytes())
table = pa.ipc.open_file("rows.arrow").read_all()
found = {name: model.predict_proba(X) for name, X in given.items()}
found |= {"Arrow": model.predict_proba(table), "a batch": model.predict_proba(table.to_batches()[0])}
found["polars"] = model.predict_proba(pl.from_arrow(table))
found["reversed"] = model.predict_proba(table.select(table.schema.names[::-1]))
mixed = {**given["columns"], "amount": table["amount"], "shop": pl.Series(given["columns"]["shop"])}
mixed["price"] = np.array(mixed["price"], object)
found["mixed"] = model.predict_proba(mixed)
for wrong in ({"amount": "word"}, {"amount": float("inf")}, {"zip": 1234}, {"shop": [1]}):
    try:
        model.predict_proba([{**given["rows"][0], **wrong}])
    except ValueError as error:
        found[str(wrong)] = str(error)
pathlib.Path("found.pickle").write_bytes(pickle.dumps(found))
"""
    )
    python(program, model, cwd=tmp_path)
    found = pickle.loads((tmp_path / "found.pickle").read_bytes())
    exported = tabkd.load(model)
    for name in ("columns", "rows", "objects", "Arrow", "a batch", "polars", "reversed", "mixed"):
        np.testing.assert_allclose(found[name], expected, atol=1e-6, err_msg=name)
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in strange.items()})
    np.testing.assert_allclose(found["strange"], exported.predict_proba(frame), atol=1e-6)
    assert "was numeric at fit, but holds 'word'" in found["{'amount': 'word'}"]
    assert "contains infinity" in found["{'amount': inf}"]
    assert "lost the leading zeros" in found["{'zip': 1234}"]
    assert "where one value is expected" in found["{'shop': [1]}"]


def test_an_interrupt_in_the_first_instant_leaves_no_traceback():
    program = """
import sys

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
from tabkd._cli import app
"""
    assert python(program, code=130).stderr == ""


def modules():
    """Each module of the package, and those of the package that it imports anywhere but for type checkers."""
    names = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    graph = {}
    for name, path in names.items():
        targets = set()
        for node in running(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                targets |= inner & set(names) or {node.module}
        graph[name] = targets & set(names) - {name}
    return graph


def running(node):
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from running(child)


def reached(graph, start):
    found, waiting = set(), [start]
    while waiting:
        for name in graph[waiting.pop()] - found:
            found.add(name)
            waiting.append(name)
    return found


@pytest.mark.parametrize("part", ["_tables", "scoring", "batch"])
def test_no_module_imports_itself_by_way_of_others(part):
    graph = modules()
    own = [name for name in graph if name.startswith(f"tabkd.{part}.")]
    assert own
    assert [name for name in own if name in reached(graph, name)] == []


def test_scoring_imports_nothing_downstream():
    graph = modules()
    everything = set().union(*(reached(graph, name) for name in graph if name.startswith("tabkd.scoring")))
    own = ("tabkd.scoring", "tabkd._tables", "tabkd._threads", "tabkd._reasons")
    own += ("tabkd._sql", "tabkd._plain_trees", "tabkd._options", "tabkd._near_names")  # which to_sql asks for
    assert [name for name in everything if not name.startswith(own)] == []
