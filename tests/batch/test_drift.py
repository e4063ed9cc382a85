"""Drift: what a model notes of its training rows, and what a job tells of others."""

import json
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeRegressor

import tabkd
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd._cli import app
from tabkd._cli.table_codes import TableCodes
from tabkd._reference import counts, reference, stability_index
from tabkd.batch import score_dataset

N_ROWS = 2000


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"amount": rng.normal(size=N_ROWS), "hour": rng.integers(0, 24, N_ROWS)})
    frame["shop"] = rng.choice(["a", "b", None], N_ROWS)
    return frame


@pytest.fixture(scope="module", params=["mlp", "tree"])
def path(request, frame, tmp_path_factory):
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(20, random_state=0))
    model = DistilledClassifier(teacher, student=request.param, n_synthetic=500, random_state=0)
    y = (frame["amount"] + (frame["shop"] == "a") + frame["hour"] / 24) > 1
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    model.fit(frame, y).to_onnx(path)
    return path


def drift_of(path, frame, tmp_path, **options):
    frame.to_parquet(tmp_path / "in.parquet")
    return score_dataset(path, [str(tmp_path / "in.parquet")], str(tmp_path / "out.parquet"), **options)


def same(kind, missing=0.0):
    """What is said of a column that has not changed."""
    return {
        "missing": missing,
        "missing_in_training": missing,
        kind: 0.0,
        "stability_index": pytest.approx(0, abs=1e-5),
    }


@pytest.mark.parametrize("options", [{}, {"batch_size": 300}, {"batch_size": 300, "resume": True}, {"threshold": 0.9}])
def test_the_training_rows_have_not_drifted(path, frame, tmp_path, options):
    done = drift_of(path, frame, tmp_path, **options)
    assert done.warnings == []
    # Rounding may move a row of an MLP.
    assert done.drift["score_stability_index"] < 1e-3
    assert done.drift["columns"]["amount"] == same("out_of_range")
    assert done.drift["columns"]["shop"] == same("unseen", round(frame["shop"].isna().mean(), 6))


def test_what_has_drifted_is_counted_and_told(path, frame, tmp_path):
    shop = frame["shop"].where(frame.index % 10 > 0, "new")
    amount = frame["amount"].where(frame.index % 4 > 0, np.nan).where(frame.index % 4 != 1, 100.0)
    done = drift_of(path, frame.assign(shop=shop, amount=amount), tmp_path, batch_size=300)
    columns = done.drift["columns"]
    assert (columns["shop"]["unseen"], columns["amount"]["missing"], columns["amount"]["out_of_range"]) == (
        0.1,
        0.25,
        0.25,
    )
    assert columns["hour"] == same("out_of_range")
    told = "; ".join(done.warnings)
    assert "'shop' has a category unknown in training in 10.0% of the rows" in told
    assert "'amount' is missing in 25.0% of the rows, 0.0% in training" in told
    assert "'amount' has a number out of the range in training in 25.0% of the rows" in told
    done = drift_of(path, frame.assign(amount=frame["amount"].max()), tmp_path)
    assert done.drift["score_stability_index"] > 0.25
    assert [text.partition("training:")[0] for text in done.warnings] == [
        "column 'amount' is not distributed as in ",
        "scores are not distributed as in ",
    ]


def test_the_command_warns_and_writes_it(path, frame, tmp_path):
    frame.assign(shop="new").to_csv(tmp_path / "in.csv", index=False)
    arguments = ["score", path, tmp_path / "in.csv", "--output", tmp_path / "o.csv", "--summary", tmp_path / "s.json"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0
    assert "Warning: column 'shop' has a category unknown in training in 100.0% of the rows.\n" in result.stderr
    summary = json.loads((tmp_path / "s.json").read_text())
    assert summary["drift"]["columns"]["shop"]["unseen"] == 1.0
    assert len(summary["warnings"]) >= 1


def test_of_few_rows_nothing_is_told(path, frame, tmp_path):
    assert drift_of(path, frame[:100].assign(shop="new"), tmp_path).warnings == []
    none = drift_of(path, frame[:0], tmp_path).drift
    assert (none["score_stability_index"], none["columns"]["shop"]["unseen"]) == (None, 0.0)


def test_regressors_and_several_classes(frame, tmp_path):
    teacher = make_pipeline(TableCodes(), DecisionTreeRegressor(max_depth=4, random_state=0))
    X = frame[["amount", "hour"]]
    y = np.column_stack([frame["amount"], frame["hour"]])
    for model, target in (
        (DistilledRegressor(teacher, student="tree", n_synthetic=500), frame["amount"]),
        (DistilledRegressor(teacher, student="tree", n_synthetic=500), y),
        (DistilledClassifier(RandomForestClassifier(5), student="tree", n_synthetic=500), frame["hour"] // 8),
    ):
        model.fit(X, target).to_onnx(tmp_path / "m.onnx")
        assert drift_of(tmp_path / "m.onnx", X, tmp_path).drift["score_stability_index"] < 1e-6
        moved = X.assign(amount=X["amount"] + 3, hour=X["hour"] * 0)
        assert drift_of(tmp_path / "m.onnx", moved, tmp_path).drift["score_stability_index"] > 1


def test_a_model_without_a_reference_still_scores(path, frame, tmp_path):
    exported = tabkd.load(path)
    del exported.metadata["reference"]
    done = drift_of(exported, frame, tmp_path)
    assert done.drift["score_stability_index"] is None
    assert done.drift["columns"]["amount"] == {"missing": 0.0, "out_of_range": 0.0, "stability_index": None}
    assert done.warnings == []


@pytest.mark.parametrize("n", [1000, 1_000_000])
@pytest.mark.parametrize("offset", [0, 1])
def test_dense_scores_have_ten_bins_and_a_shift_is_seen(n, offset):
    scores = np.random.default_rng(0).beta(0.3, 30, n)
    found = reference(np.zeros((n, 1)), scores + offset)
    assert len(found["shares"]) == 10
    np.testing.assert_allclose(found["shares"], 0.1, atol=0.02)
    assert stability_index(np.array(found["shares"]), counts(offset + 4 * scores, found["edges"])) > 0.25


def test_what_cannot_be_compared_is_not_told_as_none(path, frame):
    from tabkd.batch._drift import Drift

    drift = Drift(tabkd.load(path))
    durations = pa.array([1] * N_ROWS, pa.duration("s"))
    table = pa.table({"amount": durations, "hour": frame["hour"], "shop": frame["shop"]})
    scores = {"probability_False": pa.array(np.zeros(N_ROWS)), "probability_True": pa.array(np.ones(N_ROWS))}
    counted = sum(drift.counts(table, scores) for _ in range(3))
    summary = drift.summary(counted, 3 * N_ROWS)
    assert (summary["columns"]["amount"]["missing"], summary["columns"]["amount"]["out_of_range"]) == (None, None)
    assert summary["columns"]["hour"]["missing"] == 0.0
    assert any("'amount' has a type whose values" in told for told in drift.warnings(summary, counted, 3 * N_ROWS))


def test_values_of_awkward_types_are_counted(path, frame, tmp_path):
    half = pa.array(frame["amount"].where(frame.index % 4 > 0).astype(np.float16), pa.float16(), from_pandas=True)
    large = pa.array([2**60 + 1] * N_ROWS)
    text = frame["shop"].fillna("nan")
    table = pa.table({"amount": half, "hour": large, "shop": pa.array(text)})
    pa.parquet.write_table(table, tmp_path / "in.parquet")
    columns = score_dataset(path, [str(tmp_path / "in.parquet")], str(tmp_path / "o.parquet")).drift["columns"]
    assert columns["amount"]["missing"] == 0.25
    assert columns["hour"]["out_of_range"] == 1.0
    assert columns["shop"]["missing"] == columns["shop"]["missing_in_training"]
    assert columns["shop"]["unseen"] == 0.0


@given(hnp.arrays(np.float64, st.integers(1, 200), elements=st.floats(0, 1, width=16)))
def test_the_reference_is_that_of_its_rows(scores):
    found = reference(np.zeros((len(scores), 1)), scores)
    assert math.isclose(sum(found["shares"]), 1, abs_tol=1e-4)
    assert (np.diff(found["edges"]) > 0).all()
    again = counts(scores.astype(np.float32), found["edges"])
    assert stability_index(np.array(found["shares"]), again) < 1e-6
    assert len(found["shares"]) == len(again) == len(found["edges"]) + 1 <= 10
