"""What `ExportedStudent.contributions` gives for rows of every form."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from tabkd import DistilledClassifier, DistilledRegressor, ExportedStudent, load
from tabkd.students import STUDENTS
from tests.export.hard import FAST, fast_students
from tests.small_tables import mixed_frame, targets


def frame():
    return mixed_frame(300)[["amount", "visits", "online", "country"]]


@pytest.fixture(scope="module", params=STUDENTS)
def explained(request):
    X = frame()
    model = DistilledClassifier(student=fast_students()[request.param], **FAST).fit(
        X, targets(mixed_frame(300), "binary")
    )
    return ExportedStudent(model.to_onnx(contributions=True).SerializeToString()), model, X


def test_contributions_and_base_values_add_up_to_the_log_odds(explained):
    exported, model, X = explained
    reasons = exported.contributions(X)
    assert (reasons.values.shape, reasons.base_values.shape, reasons.data.shape) == ((300, 4), (300,), (300, 4))
    assert reasons.feature_names == list(X)
    odds = reasons.base_values + reasons.values.sum(axis=1)
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), exported.predict_proba(X)[:, 1], atol=1e-5)
    np.testing.assert_allclose(reasons.values, model.contributions(X).values, atol=1e-4)
    np.testing.assert_array_equal(reasons.data[:, 1], X["visits"])
    assert len(reasons) == 300
    assert "contributions" in exported.further_outputs_


def test_tables_of_every_form_have_the_same_contributions(explained):
    exported, _, X = explained
    expected = exported.contributions(X)
    wider = X.assign(other=1)[["other", "country", "online", "visits", "amount"]]
    records = [{k: None if pd.isna(v) else v for k, v in row.items()} for row in X.to_dict("records")]
    columns = {name: [row[name] for row in records] for name in X}
    for table in (wider, pl.from_pandas(wider), pa.Table.from_pandas(wider, preserve_index=False), records, columns):
        reasons = exported.contributions(table)
        np.testing.assert_allclose(reasons.values, expected.values, atol=1e-6)
        assert [row[1] for row in reasons.data] == X["visits"].tolist()
        assert [row[3] for row in reasons.data[:20] if isinstance(row[3], str)] == X["country"][:20].dropna().tolist()
    one = exported.contributions(records[0])
    np.testing.assert_allclose(one.values, expected.values[:1], atol=1e-6)
    assert exported.contributions(X[:0]).values.shape == (0, 4)
    with pytest.raises(ValueError, match="now missing:\n- country"):
        exported.contributions(X.drop(columns="country"))


def test_several_scores_are_the_last_axis_like_in_shap():
    X = frame()
    whole = mixed_frame(300)
    model = DistilledClassifier(student=fast_students()["tree"], **FAST).fit(X, targets(whole, "multiclass"))
    reasons = ExportedStudent(model.to_onnx(contributions=True).SerializeToString()).contributions(X)
    n_classes = len(model.classes_)
    assert reasons.values.shape == (300, 4, n_classes)
    assert reasons.base_values.shape == (300, n_classes)
    assert reasons.output_names == [str(label) for label in model.classes_]
    odds = np.exp(reasons.base_values + reasons.values.sum(axis=1))
    np.testing.assert_allclose(odds / odds.sum(axis=1, keepdims=True), model.predict_proba(X), atol=1e-5)


def test_threads_share_small_blocks():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 5)).astype(np.float32)
    model = DistilledRegressor(RandomForestRegressor(5), student=fast_students()["mlp"], **FAST).fit(
        X, X[:, 0] * X[:, 1]
    )
    content = model.to_onnx(contributions=True).SerializeToString()
    alone, two = ExportedStudent(content, n_jobs=1), ExportedStudent(content, n_jobs=2)
    assert alone._graph.block_rows["contributions"] < alone._graph.block_rows["variable"]
    np.testing.assert_allclose(two.contributions(X).values, alone.contributions(X).values, atol=1e-6)
    np.testing.assert_allclose(alone.contributions(X).values[:7], alone.contributions(X[:7]).values, atol=1e-6)


def test_a_file_without_contributions_says_how_to_write_them(tmp_path):
    X = np.random.default_rng(0).normal(size=(200, 3))
    model = DistilledClassifier(RandomForestClassifier(5), student="tree", **FAST).fit(X, X[:, 0] > 0)
    model.to_onnx(tmp_path / "model.onnx")
    message = r"model.onnx' has no contributions. Write it again with model.to_onnx\(path, contributions=True\)"
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "model.onnx").contributions(X)


@pytest.mark.filterwarnings("default")  # of shap's own making
def test_plots_of_shap_take_contributions_as_they_are():
    shap = pytest.importorskip("shap")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    X = frame()
    model = DistilledClassifier(student=fast_students()["tree"], **FAST).fit(X, targets(mixed_frame(300), "binary"))
    exported = ExportedStudent(model.to_onnx(contributions=True).SerializeToString())
    for reasons in (exported.contributions(X), model.contributions(X)):
        assert isinstance(reasons, shap.Explanation)
        shap.plots.waterfall(reasons[0], show=False)
        shap.plots.beeswarm(reasons, show=False)
        shap.plots.bar(reasons, show=False)
    pyplot.close("all")
