"""What was measured, noted in the metadata of a model that is already proven."""

import hashlib
import json

import numpy as np
import onnx
import pytest
from sklearn.linear_model import LinearRegression

from tabkd import DistilledRegressor
from tabkd._export.metadata import noted
from tabkd.evaluation import evaluate
from tabkd.scoring import ExportedStudent
from tests.small_tables import mixed_frame, targets


@pytest.fixture(scope="module")
def measured():
    """A model of text and numbers with its report."""
    X = mixed_frame(400).rename(columns=lambda name: f"{name} ü")
    y = targets(X.rename(columns=lambda name: name.removesuffix(" ü")), "regression")

    class OnCodes(LinearRegression):
        def fit(self, X, y, sample_weight=None):
            return super().fit(X.select_dtypes("number").fillna(0), y)

        def predict(self, X):
            return super().predict(X.select_dtypes("number").fillna(0))

    model = DistilledRegressor(OnCodes(), student="tree", n_synthetic=200, random_state=0).fit(X, y)
    return model, evaluate(model, X, y), X


def test_contributions_in_the_place_of_the_report_are_refused(measured, tmp_path):
    with pytest.raises(TypeError, match=r"report is True; expected .* contributions=True"):
        measured[0].to_onnx(tmp_path / "student.onnx", True)
    assert not (tmp_path / "student.onnx").exists()


@pytest.mark.parametrize("given", ["no", 1, None])
def test_contributions_are_asked_for_by_true_or_false(measured, given, tmp_path):
    with pytest.raises(TypeError, match=rf"contributions is {given!r}; expected True or False"):
        measured[0].to_onnx(tmp_path / "student.onnx", contributions=given)
    assert not (tmp_path / "student.onnx").exists()


def test_a_path_that_is_none_is_refused_before_the_proof(measured):
    with pytest.raises(TypeError, match="path is 5; expected the path of the file to write"):
        measured[0].to_onnx(5)


def test_a_note_on_a_proven_model_gives_the_bytes_of_an_export_with_the_report(measured, tmp_path):
    model, report, _ = measured
    model.to_onnx(tmp_path / "student.onnx", report=report)
    assert noted(model.to_onnx(), report) == (tmp_path / "student.onnx").read_bytes()


def test_a_note_changes_three_facts_and_the_checksum_alone(measured):
    model, report, X = measured
    plain = model.to_onnx()
    content = noted(model.to_onnx(), report)
    found = onnx.load_from_string(content)
    assert found.graph == plain.graph
    assert [entry.key for entry in found.metadata_props] == ["tabkd", "tabkd_sha256"]
    before, after = (json.loads(proto.metadata_props[0].value) for proto in (plain, found))
    assert after == before | {"skill_kept": report.skill_kept, "skill_metric": "r2", "doubt": report.doubt}
    assert list(after) == list(before)
    checksum = found.metadata_props.pop()
    assert checksum.value == hashlib.sha256(found.SerializeToString()).hexdigest()
    exported = ExportedStudent(content)
    assert exported.metadata["skill_kept"] == report.skill_kept
    np.testing.assert_allclose(exported.predict(X), model.predict(X), rtol=1e-4)


def test_a_note_replaces_an_earlier_one(measured):
    model, report, _ = measured

    class Undefined:
        skill_kept, metric = float("nan"), "neg_mean_absolute_error"
        doubt = None

    content = noted(model.to_onnx(report=report), Undefined())
    facts = ExportedStudent(content).metadata
    assert (facts["skill_kept"], facts["skill_metric"]) == (None, "neg_mean_absolute_error")
    assert noted(onnx.load_from_string(content), report) == noted(model.to_onnx(), report)
