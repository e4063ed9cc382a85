"""Reasons: the columns that pushed a score up or down most, beside the scores."""

import re
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.pipeline import make_pipeline

import tabkd
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd._cli.table_codes import TableCodes
from tabkd._progress import Silent
from tabkd.batch import _alerts as alerts
from tabkd.batch import _parts as parts
from tabkd.batch import score_batches, score_dataset
from tabkd.batch._scored import Rows, Unexplained
from tabkd.batch._stopping import StoppedError
from tests.batch.readers import READERS
from tests.batch.stopping import StopAfter

N_ROWS = 3000
COLUMNS = ["amount", "shop", "paid"]


class Progress(Silent):
    n_rows = 0

    def advance(self, n):
        self.n_rows += n


@pytest.fixture(scope="module")
def model(frame):
    """A model that uses all three columns and gives few rows the same score."""
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(20, max_depth=5, random_state=0))
    model = DistilledClassifier(teacher, student="boosted_trees", n_synthetic=2000, random_state=0)
    score = frame["amount"] + frame["shop"].eq("a") - frame["paid"]
    return model.fit(frame[COLUMNS], score + np.random.default_rng(1).logistic(size=N_ROWS) > 0)


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    model.to_onnx(path, contributions=True)
    return path


@pytest.fixture(scope="module")
def explained(path):
    return tabkd.load(path)


@pytest.fixture(scope="module")
def contributions(model, frame):
    return model.contributions(frame[COLUMNS]).values


@pytest.fixture
def source(frame, tmp_path):
    frame.to_parquet(tmp_path / "in.parquet")
    return tmp_path / "in.parquet"


def expected_reasons(values, n, names=COLUMNS, sign=1):
    """For each row the names with the largest contributions of the wanted sign, and these."""
    rows = []
    for row in values:
        order = sorted(range(len(row)), key=lambda k: -sign * row[k])
        ranked = [(names[k], row[k]) if sign * row[k] > 0 else (None, None) for k in order[:n]]
        rows.append([*(name for name, _ in ranked), *(value for _, value in ranked)])
    columns = [f"{kind}_{k}" for kind in ("reason", "contribution") for k in range(1, n + 1)]
    return dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))


def check(found, expected):
    """Compare columns of a file; a CSV cannot tell null from an empty text."""
    for name, values in expected.items():
        assert [value or None for value in found[name]] == pytest.approx(values, abs=1e-5)


@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_reasons_are_the_columns_that_pushed_most(explained, contributions, source, tmp_path, direction):
    out = tmp_path / "out.parquet"
    done = score_dataset(explained, [source], out, keep=["id"], reasons=2, reasons_for=direction, batch_size=700)
    found = READERS[".parquet"](out)
    assert done.written == N_ROWS
    names = ["id", "prediction", "probability_False", "probability_True"]
    assert list(found) == [*names, "reason_1", "reason_2", "contribution_1", "contribution_2"]
    check(found, expected_reasons(contributions, 2, sign=1 if direction == "higher" else -1))
    assert 0 < found["reason_2"].count(None) < N_ROWS


def test_what_pushes_only_by_rounding_is_no_reason(explained, source, tmp_path, monkeypatch):
    values = np.tile([0.0, 3e-8, 0.5], (N_ROWS, 1))
    monkeypatch.setattr(explained, "output", lambda X, name: values)
    out = tmp_path / "out.parquet"
    score_dataset(explained, [source], out, reasons=2)
    found = pd.read_parquet(out)
    assert found["reason_1"].eq("paid").all()
    assert found["reason_2"].isna().all()


def test_a_group_counts_as_one_column(explained, contributions, source, tmp_path):
    out = tmp_path / "out.parquet"
    groups = {"payment": ["paid", "amount"]}
    score_dataset(explained, [source], out, reasons=2, reason_groups=groups)
    values = np.column_stack([contributions[:, 0] + contributions[:, 2], contributions[:, 1]])
    check(READERS[".parquet"](out), expected_reasons(values, 2, ["payment", "shop"]))


@pytest.mark.parametrize("groups", [None, {"goods": ["shop", "paid"]}])
def test_columns_and_groups_with_one_code_count_as_one_reason(explained, contributions, source, tmp_path, groups):
    codes = pd.DataFrame({"column": [*COLUMNS, "goods"], "code": ["07", "1", "07", "1"], "text": ["M", "S", "M", "S"]})
    codes[: 4 if groups else 3].to_csv(tmp_path / "codes.csv", index=False)
    out = tmp_path / "out.parquet"
    options = {"reason_codes": tmp_path / "codes.csv", "reason_groups": groups}
    score_dataset(explained, [source], out, reasons=2, **options)
    amount, shop, paid = contributions.T
    values = np.column_stack([amount, shop + paid] if groups else [amount + paid, shop])
    check(READERS[".parquet"](out), expected_reasons(values, 2, ["07", "1"]))


@pytest.mark.parametrize("mark", [",", ";"])
def test_codes_and_texts_replace_the_names(explained, contributions, source, tmp_path, mark):
    codes = pd.DataFrame({"column": COLUMNS, "code": ["07", "1", "A"], "text": ["Amount, high", "", "Paid; late"]})
    codes.to_csv(tmp_path / "codes.csv", index=False, sep=mark, encoding="utf-8-sig")
    out = tmp_path / "out.parquet"
    score_dataset(explained, [source], out, reasons=1, reason_codes=tmp_path / "codes.csv")
    found = pd.read_parquet(out)
    assert list(found)[3:] == ["reason_1", "reason_text_1", "contribution_1"]
    check(READERS[".parquet"](out), expected_reasons(contributions, 1, codes["code"].tolist()))
    texts = dict(zip(codes["code"], codes["text"], strict=True))
    assert found["reason_text_1"].dropna().tolist() == [texts[code] for code in found["reason_1"].dropna()]


@pytest.mark.parametrize("options", [{"threshold": 0.6}, {"top_fraction": 0.1}, {"top_fraction": 0.0}])
@pytest.mark.parametrize("suffix", sorted(READERS))
def test_only_alerts_are_explained(explained, contributions, expected, frame, tmp_path, options, suffix, monkeypatch):
    monkeypatch.setattr(alerts, "_MORE_WAITING", 1)
    seen = []
    output = explained.output
    monkeypatch.setattr(explained, "output", lambda X, name: (seen.append(len(X)), output(X, name))[1])
    frame.to_csv(tmp_path / "in.csv", index=False)
    out = tmp_path / f"out{suffix}"
    done = score_dataset(explained, [tmp_path / "in.csv"], out, keep=["id"], reasons=3, batch_size=300, **options)
    assert sum(seen) == done.written
    if done.written:
        found = READERS[suffix](out)
        rows = np.array(found["id"]).astype(int)
        check(found, expected_reasons(contributions[rows], 3))
        assert expected[rows].min() >= (options.get("threshold") or done.threshold) - 1e-6


def test_a_batch_is_explained_while_the_next_one_is_scored(explained, source, tmp_path, monkeypatch):
    output, score, n_scored = explained.output, explained.predict_proba, []
    second = threading.Event()

    def scored(X):
        n_scored.extend([len(X)] if len(X) else [])
        if len(n_scored) == 2:
            second.set()
        return score(X)

    def explained_later(X, name):
        assert second.wait(10)
        return output(X, name)

    monkeypatch.setattr(explained, "predict_proba", scored)
    monkeypatch.setattr(explained, "output", explained_later)
    done = score_dataset(explained, [source], tmp_path / "out.parquet", reasons=1, batch_size=1000)
    assert done.written == N_ROWS


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(parts, "_PART_ROWS", 500)
    monkeypatch.setattr(alerts, "_MORE_WAITING", 1)


@pytest.mark.parametrize("options", [{}, {"threshold": 0.6}, {"top_fraction": 0.1}])
def test_a_resumed_job_gives_the_same_bytes(explained, source, tmp_path, options, small_parts):
    options = {"keep": ["id"], "reasons": 2, "batch_size": 100, **options}
    whole, out = tmp_path / "whole.parquet", tmp_path / "out.parquet"
    score_dataset(explained, [source], whole, **options)
    options["resume"] = True
    with pytest.raises(StoppedError):
        score_dataset(explained, [source], out, **options, stop=StopAfter(13))
    for other in ({"reasons": 3}, {"reasons_for": "lower"}, {"reason_groups": {"both": ["amount", "paid"]}}):
        with pytest.raises(
            ValueError, match=f"holds an unfinished job of another {next(iter(other))}. Repeat the options"
        ):
            score_dataset(explained, [source], out, **options | other)
    seen = []
    score_dataset(explained, [source], out, **options, on_commit=lambda: seen.append(list(out.parent.glob(".out*/*"))))
    assert out.read_bytes() == whole.read_bytes()
    assert len({path.stem for path in seen[0]}) > 5


def test_codes_that_were_changed_make_another_job(explained, source, tmp_path, small_parts):
    codes = tmp_path / "codes.csv"
    options = {"reasons": 1, "reason_codes": codes, "resume": True, "batch_size": 100}
    codes.write_text("column,code\namount,1\nshop,2\npaid,3\n")
    with pytest.raises(StoppedError):
        score_dataset(explained, [source], tmp_path / "out.parquet", **options, stop=StopAfter(13))
    codes.write_text("column,code\namount,1\nshop,2\npaid,4\n")
    with pytest.raises(ValueError, match="unfinished job of another reason_codes"):
        score_dataset(explained, [source], tmp_path / "out.parquet", **options)


def test_only_rows_that_may_be_among_the_top_ones_wait_for_reasons(explained, frame, tmp_path, small_parts):
    frame.to_csv(tmp_path / "in.csv", index=False)
    waiting = []

    def look():
        files = sorted((tmp_path / ".out.csv.tabkd").glob("*.waiting.arrow"))
        waiting[:] = [pa.ipc.open_file(file).read_all().num_rows for file in files]

    options = {"reasons": 1, "top_fraction": 0.001, "batch_size": 50}
    score_dataset(explained, [tmp_path / "in.csv"], tmp_path / "out.csv", **options, on_commit=look)
    assert 3 <= sum(waiting) < N_ROWS / 10


def test_rows_that_cannot_be_scored_do_not_shift_reasons(explained, frame, contributions, tmp_path):
    frame.assign(amount=frame["amount"].astype(str).where(frame.index % 7 > 0, "oh")).to_csv(tmp_path / "in.csv")
    for options in ({}, {"top_fraction": 0.2}):
        out, more = tmp_path / "out.parquet", {"rejects": tmp_path / "rejects.csv", "max_rejects": N_ROWS}
        score_dataset(explained, [tmp_path / "in.csv"], out, keep=["id"], reasons=2, **more, **options)
        found = READERS[".parquet"](out)
        check(found, expected_reasons(contributions[np.array(found["id"]).astype(int)], 2))


CODES = "column,code\namount,1\nshop,2\npaid,3\n"
REFUSED = [
    ({"reasons": 4}, "reasons is 4, but the model has 3 columns; give at most as many"),
    ({"reasons": 3, "reason_groups": {"g": ["shop", "paid"]}}, "reasons is 3, but the model has 2 columns and groups"),
    ({"reasons": -1}, "reasons is -1; expected a whole number from 0"),
    ({"reasons": "2"}, "reasons is '2'; expected a whole number from 0"),
    ({"reasons": True}, "reasons is True; expected a whole number from 0"),
    ({"reasons": 1, "reason_groups": [["shop"]]}, "reason_groups is [['shop']]; expected a dict, the columns of each"),
    ({"reasons": 1, "reason_groups": {"g": None}}, "reason_groups='g' is None; give a list of columns"),
    ({"reasons": 1.5}, "reasons is 1.5; expected a whole number from 0"),
    ({"reasons": 1, "reason_groups": {7: ["shop"]}}, "reason_groups has the name 7; expected text"),
    ({"reasons": 1, "reason_groups": {"g": "shop"}}, "reason_groups='g' is 'shop'; give a list of columns"),
    ({"reasons_for": "both", "reasons": 1}, "reasons_for is 'both'; expected one of higher, lower"),
    ({"reasons_for": "lower"}, "reasons_for needs reasons, the number of reasons"),
    ({"reason_groups": {"g": ["shop", "paid"]}}, "reason_groups needs reasons"),
    ({"reason_codes": CODES}, "reason_codes needs reasons"),
    ({"reasons": 1, "reason_groups": {"g": ["shp"]}}, "reason_groups='g': 'shp' is not a column of the model"),
    ({"reasons": 1, "reason_groups": {"g": []}}, "reason_groups='g' has no columns"),
    ({"reasons": 1, "reason_groups": {"g": ["shop"], "h": ["shop"]}}, "='h': 'shop' is already in a group, 'g'"),
    ({"reasons": 1, "reason_groups": {"paid": ["shop"]}}, "='paid' is the name of a column that is not in the group"),
    ({"reasons": 1, "reason_codes": "column,code\namount,1\nshop,2\n"}, "reason_codes has no code for 'paid'"),
    ({"reasons": 1, "reason_codes": CODES + "shp,4\n"}, "reason_codes has a code for 'shp', which is neither"),
    ({"reasons": 1, "reason_codes": CODES + "shop,4\n"}, "has two codes for 'shop'"),
    ({"reasons": 1, "reason_codes": CODES + "Shops,4\n"}, "nor a group; did you mean 'shop'?"),
    (
        {"reasons": 3, "reason_codes": "column,code\namount,1\nshop,2\npaid,1\n"},
        "reasons is 3, but the model has 2 columns with different codes; give at most as many",
    ),
    (
        {"reasons": 1, "reason_codes": "column,code,text\namount,1,Much\nshop,2,Shop\npaid,1,Little\n"},
        "gives code '1' of 'paid' the text 'Little', but before 'Much'; give one text for all columns of a code",
    ),
    ({"reasons": 1, "reason_codes": CODES + "x,\n"}, "has a row without a code, 'x,'"),
    ({"reasons": 1, "reason_codes": "name,code\n"}, "has no column 'column'; its first line is column,code"),
    ({"reasons": 1, "reason_codes": ""}, "has no column 'column'"),
    ({"reasons": 1, "reason_codes": b"column,code\n\xff,1\n"}, "is not a CSV in UTF-8"),
    ({"reasons": 1, "reason_codes": "column,code,text\npaid,1,Paid, late\n"}, "a row of 4 values for 3 columns, 'paid"),
    ({"reasons": 1, "reason_codes": "column,code,text\npaid,1\n"}, "a row of 2 values for 3 columns, 'paid,1'"),
    ({"reasons": 1, "reason_codes": "column,code,code\npaid,1,2\n"}, "has two columns 'code'; rename one"),
    ({"reasons": 1, "keep": ["reason_1"]}, "keep='reason_1' has the name of a column of scores"),
    ({"reasons": 1, "keep": ["contribution_1"]}, "keep='contribution_1' has the name of a column of scores"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_cannot_be_a_reason_is_refused_before_the_first_row(explained, source, tmp_path, options, message):
    if "reason_codes" in options:
        content = options["reason_codes"]
        (tmp_path / "codes.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
        options = options | {"reason_codes": tmp_path / "codes.csv"}
    progress = Progress()
    with pytest.raises(ValueError, match=re.escape(message)):
        score_dataset(explained, [source], tmp_path / "out.csv", progress=progress, **options)
    assert progress.n_rows == 0
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("choice", [{"threshold": np.float32(0.1)}, {"top_fraction": np.float32(0.5)}, {}])
def test_numbers_may_be_those_of_numpy(explained, source, tmp_path, choice):
    options = {"reasons": np.int64(1), "max_rejects": np.int64(0), **choice}
    score_dataset(explained, [source], tmp_path / "out.parquet", **options)
    assert "reason_1" in pd.read_parquet(tmp_path / "out.parquet")


def test_reasons_need_a_model_with_contributions(model, source, tmp_path):
    path = tmp_path / "plain.onnx"
    model.to_onnx(path)
    with pytest.raises(
        ValueError, match=r"does not have. Export it again with model.to_onnx\(path, contributions=True"
    ):
        score_dataset(path, [source], tmp_path / "out.csv", reasons=1)


def test_a_group_of_the_name_of_one_of_its_columns_and_codes_of_grouped_columns(explained, source, tmp_path):
    codes = tmp_path / "codes.csv"
    codes.write_text(CODES)
    options = {"reason_codes": codes, "reason_groups": {"paid": ["paid", "shop"]}}
    score_dataset(explained, [source], tmp_path / "out.csv", reasons=2, **options)
    assert set(pd.read_csv(tmp_path / "out.csv", dtype=str)["reason_1"].dropna()) == {"1", "3"}


def test_a_file_of_codes_that_is_not_there_is_named_with_its_option(explained, source, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"reason_codes='nope.csv' cannot be read: No such file"):
        score_dataset(explained, [source], tmp_path / "out.csv", reasons=1, reason_codes="nope.csv")
    with pytest.raises(TypeError, match=r"reason_codes is \{'shop': '1'\}; expected the path of a CSV"):
        next(score_batches(explained, [], reasons=1, reason_codes={"shop": "1"}))
    with pytest.raises(OSError, match="cannot be read: Is a directory"):
        score_dataset(explained, [source], tmp_path / "out.csv", reasons=1, reason_codes=tmp_path)


def test_the_output_never_replaces_the_codes(explained, source, tmp_path):
    codes = tmp_path / "codes.csv"
    codes.write_text(CODES)
    with pytest.raises(ValueError, match="is the file of reason codes of this job; choose another file"):
        score_dataset(explained, [source], codes, reasons=1, reason_codes=codes)
    assert codes.read_text() == CODES


def test_batches_of_any_kind_get_reasons(explained, contributions, frame):
    X = frame[COLUMNS]
    batches = [X[:1000], pa.Table.from_pandas(X[1000:2000]), X[:0], X[2000:]]
    found = pa.concat_tables(score_batches(explained, batches, reasons=2)).to_pydict()
    check(found, expected_reasons(contributions, 2))
    with pytest.raises(ValueError, match="keep='reason_1' has the name"):
        next(score_batches(explained, batches, ["reason_1"], reasons=1))


def test_reasons_of_several_classes_are_those_of_the_predicted_one(frame, source, tmp_path, monkeypatch):
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(5, random_state=0))
    model = DistilledClassifier(teacher, student="tree", n_synthetic=1000, random_state=0)
    model.fit(frame[COLUMNS], np.digitize(frame["amount"] + frame["paid"], [-0.5, 0.8]))
    model.to_onnx(tmp_path / "model.onnx", contributions=True)
    exported, scored = tabkd.load(tmp_path / "model.onnx"), []
    predict_proba = exported.predict_proba
    monkeypatch.setattr(exported, "predict_proba", lambda X: (scored.append(X.shape[0]), predict_proba(X))[1])
    score_dataset(exported, [source], tmp_path / "out.parquet", reasons=3)
    assert sum(scored) == N_ROWS  # each row once
    values = model.contributions(frame[COLUMNS]).values
    assert values.shape == (N_ROWS, 3, 3)
    predicted = model.predict_proba(frame[COLUMNS]).argmax(axis=1)
    check(READERS[".parquet"](tmp_path / "out.parquet"), expected_reasons(values[np.arange(N_ROWS), :, predicted], 3))


def test_reasons_of_a_value_and_none_for_two(frame, source, tmp_path):
    model = DistilledRegressor(make_pipeline(TableCodes(), RandomForestRegressor(5, random_state=0)), student="tree")
    model.set_params(n_synthetic=1000, random_state=0).fit(frame[COLUMNS], frame["amount"] ** 2 + frame["paid"])
    model.to_onnx(tmp_path / "model.onnx", contributions=True)
    score_dataset(tmp_path / "model.onnx", [source], tmp_path / "out.parquet", reasons=2, reasons_for="lower")
    values = model.contributions(frame[COLUMNS]).values
    check(READERS[".parquet"](tmp_path / "out.parquet"), expected_reasons(values, 2, sign=-1))
    model.fit(frame[COLUMNS], np.column_stack([frame["amount"], frame["paid"]]))
    model.to_onnx(tmp_path / "two.onnx", contributions=True)
    with pytest.raises(ValueError, match="reasons is for models of classes or of one target, not of 2 targets"):
        score_dataset(tmp_path / "two.onnx", [source], tmp_path / "no.parquet", reasons=1)


@pytest.mark.parametrize("n", [0, 1, 7, 100, 1000])
def test_all_top_rows_are_candidates_ties_included(n, monkeypatch):
    monkeypatch.setattr(alerts, "_MORE_WAITING", 1)
    rng, batches, kept = np.random.default_rng(n), [], []
    candidates = alerts.Candidates("p", n)
    for size in rng.integers(0, 40, 30):
        table = pa.table({"p": rng.integers(0, 9, size) / 8})
        batches.append(Rows(table, [], Unexplained(np.arange(size), table)))
        kept.append(candidates.of(batches[-1]))
    n_rows = sum(len(rows.table) for rows in batches)
    cut = alerts.find_cut(batches, "p", min(n, n_rows) / n_rows, n_rows)
    found = list(alerts.top(kept, "p", cut))
    assert sum(len(rows.table) for rows in found) == min(n, n_rows)
    for rows in found:
        assert rows.unexplained.positions.tolist() == list(range(len(rows.table)))
        assert rows.unexplained.X.equals(rows.table)
