"""Drift of single columns: warned of where a distribution moves, and of nothing where it does not."""

import json
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import make_pipeline

import tabkd
from tabkd import DistilledRegressor
from tabkd._cli.table_codes import TableCodes
from tabkd._reference import by_chance, counts, counts_above, median, reference, stability_index
from tabkd.batch import score_dataset
from tabkd.batch._drift import INDEX_LIMIT


def table(n: int, seed: int) -> pd.DataFrame:
    """Columns of every kind, always from the same distributions."""
    rng = np.random.default_rng(seed)
    zipf = np.minimum(rng.zipf(1.3, n), 150)
    return pd.DataFrame(
        {
            "premium": rng.lognormal(5, 0.8, n),
            "normal": rng.normal(size=n),
            "heavy": rng.standard_cauchy(n).clip(-1e6, 1e6),
            "price": rng.exponential(20, n).round(2),
            "single": rng.normal(size=n).astype(np.float32),
            "seconds": 1_790_000_000.0 + rng.uniform(0, 2.6e6, n),
            "hour": rng.integers(0, 24, n),
            "flag": rng.random(n) < 0.02,
            "grade": rng.choice([1, 2, 3], n, p=[0.85, 0.1, 0.05]),
            "claims": rng.poisson(0.1, n),
            "sentinel": np.where(rng.random(n) < 0.01, 1e9, rng.lognormal(3, 1, n)),
            "zeros": np.where(rng.random(n) < 0.88, 0.0, rng.lognormal(0, 2, n)),
            "gaps": np.where(rng.random(n) < 0.9, np.nan, rng.normal(size=n)),
            "constant": 7.5,
            "nothing": np.nan,
            "channel": rng.choice(["web", "shop", "phone"], n, p=[0.3, 0.6, 0.1]),
            "zipf": pd.Series(zipf).map("k{}".format).to_numpy(object),
            "level": pd.Categorical(rng.choice([10, 20, 30], n), categories=[30, 10, 20, 40]),
        }
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    X = table(3000, 0)
    teacher = make_pipeline(TableCodes(), RandomForestRegressor(5, random_state=0))
    model = DistilledRegressor(teacher, student="tree", n_synthetic=300, random_state=0)
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    model.fit(X, X["normal"] + (X["channel"] == "web") + (X["level"] == 10) + (X["zipf"] == "k1")).to_onnx(path)
    return path


def job(path, frame, tmp_path, name="in.parquet", **options):
    source = tmp_path / name
    frame.to_parquet(source) if name.endswith("parquet") else frame.to_csv(source, index=False)
    return score_dataset(tabkd.load(path, n_jobs=1), [str(source)], str(tmp_path / "out.parquet"), **options)


@pytest.mark.parametrize("n", [500, 3000])
def test_the_same_distribution_is_no_drift(path, tmp_path, n):
    for seed in range(1, 26):
        frame = table(n, seed)
        assert job(path, frame, tmp_path).warnings == [], seed


def test_small_training_tables_make_no_false_alarm(tmp_path):
    for seed in range(12):
        X = table(60, seed)[["premium", "hour", "channel", "zipf"]]
        teacher = make_pipeline(TableCodes(), RandomForestRegressor(3, random_state=0))
        model = DistilledRegressor(teacher, student="tree", n_synthetic=50, random_state=0)
        model.fit(X, X["premium"]).to_onnx(tmp_path / "m.onnx")
        done = job(tmp_path / "m.onnx", table(1000, seed + 100)[list(X)], tmp_path)
        assert [text for text in done.warnings if "'" in text and "not distributed" in text] == [], seed


SHIFTS = {
    "three times as much": (lambda X: X.assign(premium=X["premium"] * 3), "premium", "3.2 × that of training"),
    "a third": (lambda X: X.assign(premium=X["premium"] / 3), "premium", "0.31 × that of training"),
    "a standard deviation more": (lambda X: X.assign(normal=X["normal"] + 1), "normal", "over 1.2"),
    "swapped": (lambda X: X.assign(price=X["premium"], premium=X["price"]), "premium", "are up to"),
    "swapped back": (lambda X: X.assign(price=X["premium"], premium=X["price"]), "price", "are over"),
    "milliseconds": (lambda X: X.assign(seconds=X["seconds"] * 1000), "seconds", "are over"),
    "with a sentinel": (lambda X: X.assign(sentinel=X["sentinel"] * 3), "sentinel", "× that of training"),
    "cents": (lambda X: X.assign(price=X["price"] * 100), "price", "are over"),
    "signs": (lambda X: X.assign(heavy=X["heavy"].abs()), "heavy", "are over"),
    "half a day": (lambda X: X.assign(hour=X["hour"] // 2), "hour", "that of training"),
    "a constant": (lambda X: X.assign(single=np.float32(0.1)), "single", "100.0% of its values"),
    "a frequent flag": (lambda X: X.assign(flag=np.arange(len(X)) % 3 == 0), "flag", "33.3% of its values"),
    "a category that doubles": (
        lambda X: X.assign(
            channel=np.random.default_rng(0).choice(["web", "shop", "phone"], len(X), p=[0.6, 0.3, 0.1])
        ),
        "channel",
        "of its values are '",
    ),
    "other levels": (lambda X: X.assign(level=X["level"].cat.remove_categories([10]).fillna(20)), "level", "are 20"),
    "rare levels": (lambda X: X.assign(zipf="k40"), "zipf", "another category than the most frequent"),
}


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("options", [{}, {"batch_size": 700, "resume": True}])
def test_a_shift_is_warned_of_with_its_column_and_how(path, tmp_path, shift, options):
    change, column, how = SHIFTS[shift]
    done = job(path, change(table(3000, 1)), tmp_path, **options)
    said = [text for text in done.warnings if text.startswith(f"column {column!r} is not distributed as in training: ")]
    assert len(said) == 1, done.warnings
    assert how in said[0]
    assert done.drift["columns"][column]["stability_index"] > INDEX_LIMIT
    others = {name: entry["stability_index"] or 0 for name, entry in done.drift["columns"].items() if name != column}
    assert max(others.values()) < INDEX_LIMIT or shift.startswith("swapped")


def test_the_premium_in_another_unit_is_within_its_range(path, tmp_path):
    """The kind that the range alone misses: few values lie outside."""
    done = job(path, table(3000, 1).assign(premium=lambda X: X["premium"] * 3), tmp_path)
    entry = done.drift["columns"]["premium"]
    assert entry["out_of_range"] < 0.05
    assert entry["stability_index"] > 0.5
    expected = tabkd.load(path).metadata["reference"]["columns"][0]
    frame = table(3000, 1)["premium"].to_numpy() * 3
    index = stability_index(np.array(expected["shares"]), counts(frame, expected["edges"]))
    assert entry["stability_index"] == pytest.approx(index, abs=1e-5)


def test_rows_of_every_source_are_counted_alike(path, tmp_path):
    frame = table(1500, 2).assign(premium=lambda X: X["premium"] * 3, nothing=np.nan)
    plain = frame.astype({"level": float})
    expected = job(path, frame, tmp_path).drift
    batches = job(path, frame, tmp_path, batch_size=101).drift
    csv = job(path, plain, tmp_path, name="in.csv").drift
    single = job(path, plain.astype({"premium": np.float32, "price": np.float32}), tmp_path).drift
    assert batches == expected
    for found in (csv, single):
        for name, entry in expected["columns"].items():
            assert found["columns"][name]["stability_index"] == pytest.approx(entry["stability_index"], abs=2e-3), name
    pl.from_pandas(plain.drop(columns="nothing")).with_columns(nothing=pl.lit(None)).write_parquet(
        tmp_path / "p.parquet"
    )
    done = score_dataset(path, [str(tmp_path / "p.parquet")], str(tmp_path / "out.parquet"))
    assert done.drift["columns"]["premium"] == expected["columns"]["premium"]
    assert pyarrow.parquet.read_table(tmp_path / "out.parquet").num_rows == 1500


def test_numbers_that_are_categories_are_known_in_text_too(path, tmp_path):
    frame = table(1000, 1)
    numbers = job(path, frame, tmp_path)
    text = job(path, frame.assign(level=frame["level"].astype(object).map("0{}".format)), tmp_path)
    assert text.drift["columns"]["level"] == numbers.drift["columns"]["level"]
    assert text.warnings == []


def test_what_is_noted_is_short_and_right(path):
    metadata = tabkd.load(path).metadata
    columns = dict(zip(table(1, 0), metadata["reference"]["columns"], strict=True))
    assert metadata["reference"]["rows"] == 3000
    assert columns["nothing"] is None
    assert columns["constant"] == {"edges": [], "shares": [1.0]}
    assert len(columns["zipf"]["levels"]) == 10
    assert len(columns["premium"]["edges"]) == 9
    np.testing.assert_allclose(columns["premium"]["shares"], 0.1, atol=0.01)
    level = metadata["columns"][list(columns).index("level")]["categories"]
    shares = dict(zip([level[k] for k in columns["level"]["levels"]], columns["level"]["shares"], strict=False))
    trained = table(3000, 0)["level"].value_counts(normalize=True)
    assert shares == {value: round(trained[value], 4) for value in (10, 20, 30)}
    sizes = [len(json.dumps(entry, separators=(",", ":"))) for entry in columns.values()]
    assert np.mean(sizes) < 110
    assert max(sizes) < 220


@pytest.mark.parametrize("scale", [1, 1e9, 1e-9])
@pytest.mark.parametrize("kind", ["dense", "ties", "rounded"])
def test_an_edge_never_lies_on_values_that_rounding_moves(kind, scale):
    rng = np.random.default_rng(0)
    values = {
        "dense": rng.normal(size=5000),
        "ties": rng.choice([1, 2.5, 7], 5000),
        "rounded": rng.random(5000).round(2),
    }
    codes = (values[kind] * scale)[:, None]
    found = reference(codes, np.zeros(5000))["columns"][0]
    shares = np.array(found["shares"])
    for again in (codes[:, 0], codes[:, 0].astype(np.float32), codes[:, 0] * (1 + 1e-7), codes[:, 0] * (1 - 1e-7)):
        assert stability_index(shares, counts(again, found["edges"])) < 1e-3
        assert (counts_above(again, 0, found["edges"]) == counts(again, found["edges"])).all()


def test_missing_values_are_in_no_bin():
    values = np.array([np.nan, 1.0, 2.0, np.nan, 3.0])
    assert counts_above(values, 2, [1.5, 2.0]).tolist() == [1, 1, 1]
    assert counts_above(values[:0], 0, [1.5]).tolist() == [0, 0]


def test_the_index_of_chance_covers_samples():
    rng = np.random.default_rng(0)
    shares = np.full(10, 0.1)
    found = [stability_index(rng.multinomial(300, shares) / 300, rng.multinomial(500, shares)) for _ in range(300)]
    assert max(found) < 0.25 + by_chance(10, 300, 500)
    assert np.mean(found) < by_chance(10, 300, 500)
    assert median([10.0], np.array([1, 1]), 0.0, 20.0) == 10.0
    assert median([1.0], np.array([0, 2]), 0.5, 4.0) == pytest.approx(2)


def test_text_of_numbers_is_the_category_of_that_number_and_no_drift(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"branch": rng.choice([1, 20, 300], 2000), "amount": rng.normal(size=2000)})
    X = frame.astype({"branch": "category"})
    teacher = make_pipeline(TableCodes(), RandomForestRegressor(5, random_state=0))
    model = DistilledRegressor(teacher, student="tree", n_synthetic=500, random_state=0)
    model.fit(X, frame["branch"] + frame["amount"]).to_onnx(tmp_path / "model.onnx")
    frame.astype({"branch": str}).to_parquet(tmp_path / "text.parquet")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summary = score_dataset(
            tmp_path / "model.onnx", [str(tmp_path / "text.parquet")], str(tmp_path / "out.parquet")
        )
    assert summary.drift["columns"]["branch"]["unseen"] == 0
    scores = pd.read_parquet(tmp_path / "out.parquet")["prediction"]
    np.testing.assert_array_equal(scores, tabkd.load(tmp_path / "model.onnx").predict(X))
