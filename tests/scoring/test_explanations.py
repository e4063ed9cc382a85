"""Explanations of an exported student by SHAP, of tables with text: the recipe of the guide."""

import numpy as np
import pytest

from tabkd import DistilledClassifier, load
from tests.small_tables import mixed_frame, targets


@pytest.mark.filterwarnings("default")  # of shap's own making
def test_shap_explains_columns_of_every_kind(tmp_path):
    shap = pytest.importorskip("shap")
    X = mixed_frame(600)
    X_train, X_test, y = X[:500], X[500:505], targets(X, "binary")
    model = DistilledClassifier(student="tree", n_synthetic=1000, random_state=0).fit(X_train, y[:500])
    model.to_onnx(tmp_path / "student.onnx")
    exported = load(tmp_path / "student.onnx")

    schema = model.schema_
    explainer = shap.Explainer(
        lambda codes: exported.predict_proba(schema.decode(codes)),
        schema.encode(X_train[:50]),
        feature_names=list(X_train.columns),
        seed=0,
    )
    explanation = explainer(schema.encode(X_test), silent=True)
    # The values of a row add up to its probability, less that of the background rows.
    expected = exported.predict_proba(X_test)
    np.testing.assert_allclose(explanation.base_values + explanation.values.sum(axis=1), expected, atol=1e-6)
    np.testing.assert_allclose(explanation.base_values[0], exported.predict_proba(X_train[:50]).mean(axis=0), atol=1e-6)
    effect = np.abs(explanation.values[..., 1]).mean(axis=0)
    assert explanation.feature_names[int(effect.argmax())] in ("amount", "visits", "online")
