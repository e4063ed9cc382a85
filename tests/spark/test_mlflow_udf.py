"""Students as functions of Spark that MLflow makes: `mlflow.pyfunc.spark_udf`."""

import numpy as np
import pandas as pd
import pytest

import tabkd.mlflow
from tabkd import DistilledClassifier, DistilledRegressor
from tests.small_tables import mixed_frame, numeric_frame, targets

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")

# MLflow imports its parts when they are used, and they warn then; so does Spark of new versions of pandas.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def scored(spark, tmp_path):
    """Save a model, and score a frame by it in Spark's workers; a frame with the column "score"."""

    def score(model, frame, given=None, **options):
        tabkd.mlflow.save_model(model, tmp_path / "model", **options)
        function = mlflow.pyfunc.spark_udf(
            spark, str(tmp_path / "model"), env_manager="local", model_config={"n_jobs": 1}
        )
        frame.to_parquet(tmp_path / "rows.parquet")
        rows = spark.read.parquet(str(tmp_path / "rows.parquet")).repartition(3)
        return rows.withColumn("score", function(*(given or frame))).toPandas()

    return score


@pytest.fixture
def of_spark():
    """Rows of a mixed table, with the types that Spark has: text in place of pandas' categories."""
    frame = mixed_frame(300, seed=1)
    return frame.astype({"country": object, "grade": int})


def test_probabilities_of_a_mixed_table_are_a_struct(scored, of_spark):
    X = mixed_frame(400)
    model = DistilledClassifier(student="tree", n_synthetic=300, random_state=0).fit(X, targets(X, "binary"))
    found = scored(model, of_spark, pyfunc_predict_fn="predict_proba")
    scores = pd.DataFrame([dict(row) for row in found["score"]])
    assert list(scores) == ["probability_no", "probability_yes"]
    np.testing.assert_allclose(scores, model.predict_proba(found[list(X)]), atol=1e-5)


def test_labels_of_a_mixed_table_are_text(scored, of_spark):
    X = mixed_frame(400)
    model = DistilledClassifier(student="tree", n_synthetic=300, random_state=0).fit(X, targets(X, "binary"))
    found = scored(model, of_spark)
    assert set(found["score"]) == {"yes", "no"}
    np.testing.assert_array_equal(found["score"], model.predict(found[list(X)]))


def test_values_of_a_numeric_table_are_doubles(scored):
    X = numeric_frame(300)
    model = DistilledRegressor(student="tree", n_synthetic=300, random_state=0).fit(X, targets(X, "regression"))
    found = scored(model, X)
    assert found["score"].dtype == np.float64
    np.testing.assert_allclose(found["score"], model.predict(found[list(X)]), atol=1e-5)
