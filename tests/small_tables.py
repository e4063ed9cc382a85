"""Small tables with every kind of column, and targets that follow from them."""

import numpy as np
import pandas as pd

from tabkd._tables.schema import TableSchema


def mixed_frame(n: int, seed: int = 0) -> pd.DataFrame:
    """Columns of every dtype that pandas users have, most with missing values."""
    rng = np.random.default_rng(seed)

    def some_missing(values, missing):
        return [missing if drop else value for value, drop in zip(values, rng.random(n) < 0.1, strict=True)]

    countries = rng.choice(["at", "be", "ch", "de"], n)
    shops = rng.choice(["books", "food", "toys"], n)
    return pd.DataFrame(
        {
            "amount": some_missing(rng.lognormal(2, 1, n), np.nan),
            "visits": rng.integers(0, 30, n),
            "online": rng.random(n) < 0.5,
            "age": pd.array(some_missing(rng.integers(18, 90, n), pd.NA), dtype="Int64"),
            "member": pd.array(some_missing(rng.random(n) < 0.5, pd.NA), dtype="boolean"),
            "country": pd.Categorical(some_missing(countries, None), categories=["de", "at", "ch", "be"]),
            "grade": pd.Categorical(rng.integers(1, 4, n), categories=[1, 2, 3], ordered=True),
            "shop": pd.Series(some_missing(shops, None), dtype=object),
        }
    )


def category_frame(n: int, seed: int = 0) -> pd.DataFrame:
    """Numbers and categories with missing values, as the native categoricals of boosting libraries take them."""
    frame = mixed_frame(n, seed)[["amount", "visits", "online", "country"]]
    return frame.assign(shop=mixed_frame(n, seed)["shop"].astype("category"))


def numeric_frame(n: int, seed: int = 0) -> pd.DataFrame:
    """float64, int64, float32 and bool columns without missing values."""
    frame = mixed_frame(n, seed)[["amount", "visits", "online"]]
    frame["amount"] = frame["amount"].fillna(0)
    return frame.assign(share=(frame["visits"] / 30).astype("float32"))


def signal(frame: pd.DataFrame) -> np.ndarray:
    """A real target that the columns of each of the frames above decide."""
    score = np.log1p(frame["amount"].fillna(0).to_numpy()) - 0.1 * frame["visits"].to_numpy()
    score = score + 1.5 * frame["online"].to_numpy()
    if "country" in frame:
        score = score + frame["country"].isin(["de", "be"]).to_numpy()
    return score


def targets(frame: pd.DataFrame, task: str) -> np.ndarray:
    """Targets of one of the tasks: string classes, integer classes from 3, real values, pairs of them."""
    score = signal(frame)
    rank = score.argsort().argsort() / len(score)
    if task == "binary":
        return np.where(rank > 0.6, "yes", "no")
    if task == "multiclass":
        return np.digitize(rank, [0.3, 0.7]) * 2 + 3
    return score if task == "regression" else np.column_stack([score, np.abs(score - 1)])


def assert_round_trip(X):
    """A frame comes back from its codes as it was."""
    schema = TableSchema.of(X)
    pd.testing.assert_frame_equal(schema.decode(schema.encode(X)), X)


def learn(codes):
    """A schema and codes of an array of numbers."""
    return TableSchema.of(codes), np.asarray(codes, dtype=np.float64)
