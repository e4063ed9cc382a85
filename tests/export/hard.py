"""Small students, and a table of everything that is hard to export."""

import numpy as np
import onnxruntime
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from tabkd import DistilledClassifier
from tests.small_students import small_students

FAST = {"n_synthetic": 500, "random_state": 0}


def fast_students():
    settings = {
        "mlp": {"max_iter": 3, "hidden_layer_sizes": (8,)},
        "additive": {"max_iter": 3, "n_pairs": 3, "n_jobs": 1},
        "boosted_trees": {"n_estimators": 8, "n_jobs": 1},
    }
    return small_students(**settings)


def classifier(student="mlp", **params):
    return DistilledClassifier(
        RandomForestClassifier(5, random_state=0),
        student=fast_students().get(student, student),
        **FAST,
        **params,
    )


def mixed_table(n=400, seed=0):
    """Numbers, big numbers, strings, categories of each kind, missing values, and the names of outputs."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "amount (EUR)": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(size=n)),
            "label": rng.choice(np.array(["x", "y", "ü", "", None], dtype=object), n),
            "probabilities": rng.choice(["p", "nan"], n).astype(object),
            "time": 1_700_000_000.0 + rng.integers(0, 5000, n) + 0.25,
            "count": rng.integers(0, 9, n),
            "flag": rng.random(n) < 0.5,
            "code": pd.Categorical(rng.integers(0, 5, n)),
            "id": pd.Categorical(rng.choice([2**24 + 1, 2**24 + 2, 2**40], n)),
            "rate": pd.Categorical(rng.choice([0.1, 0.2, 0.3 + 1e-12], n)),
            "many": rng.choice([f"m{i}" for i in range(90)], n).astype(object),
            "constant": 1.0,
        }
    )
    signal = frame["amount (EUR)"].fillna(0) + (frame["label"] == "x") + (frame["time"] - 1.7e9) / 2500
    signal += frame["code"].astype(int) / 5 + (frame["many"] < "m3") + (frame["id"] == 2**24 + 1)
    return frame, signal.to_numpy()


def teacher(kind=RandomForestClassifier):
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    text = ["label", "probabilities", "many"]
    columns = ColumnTransformer([("text", ordinal, text)], remainder="passthrough")
    return make_pipeline(columns, kind(5, random_state=0))


def run(proto, feeds):
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def feeds_of(proto, X):
    if isinstance(X, np.ndarray):
        return {proto.graph.input[0].name: X}
    return {i.name: X[[c]].to_numpy() for i, c in zip(proto.graph.input, X.columns, strict=True)}


def assert_same(proto, model, X, rtol=1e-5):
    got = run(proto, feeds_of(proto, X))
    if hasattr(model, "predict_proba"):
        assert list(got) == ["label", "probabilities"]
        np.testing.assert_allclose(got["probabilities"], model.predict_proba(X), atol=1e-5)
        assert got["probabilities"].dtype == np.float32
        assert np.mean(got["label"] == model.predict(X)) > 0.99
    else:
        said = np.asarray(model.predict(X) if hasattr(model, "predict") else model.transform(X))
        said = said.reshape(len(said), -1)
        assert list(got) == ["variable"]
        np.testing.assert_allclose(got["variable"], said, atol=rtol * (said.std() + 1e-3))
