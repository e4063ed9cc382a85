"""Doubt: how far the teacher's answer may be from a score, with the guarantee of split conformal prediction."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.datasets import load_diabetes, make_classification
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

import tabkd
from tabkd import DistilledClassifier, DistilledRegressor
from tabkd._doubt import DOUBT, LEVELS, _least_rows, _sharing, banded, doubts, measured_doubt
from tabkd.batch import score_batches, score_dataset
from tabkd.evaluation import evaluate


def exchangeable(n_classes=2, n=12_000):
    X, y = make_classification(
        n, 8, n_informative=6, n_classes=n_classes, weights=[0.8] if n_classes == 2 else None, random_state=0
    )
    return pd.DataFrame(X, columns=[f"c{i}" for i in range(8)]), y


@pytest.fixture(scope="module")
def table():
    return exchangeable()


@pytest.fixture(scope="module")
def model(table):
    X, y = table
    teacher = RandomForestClassifier(30, min_samples_leaf=3, random_state=0)
    return DistilledClassifier(teacher, student="tree", n_synthetic=2000, random_state=0).fit(X[:2000], y[:2000])


@pytest.fixture(scope="module")
def differences(model, table):
    X, _ = table
    return np.abs(model.predict_proba(X) - model.teacher_.predict_proba(X))[:, 1]


def test_points_are_order_statistics_of_a_band():
    student = np.linspace(0, 1, 2000)
    difference = np.random.default_rng(0).random(2000)
    found = measured_doubt(student[:, None], (student + difference)[:, None], "regression", student)
    edges = [-np.inf, *found["edges"], np.inf]
    assert len(found["edges"]) >= 5
    for low, high, band in zip(edges, edges[1:], found["bands"], strict=False):
        mine = np.sort(difference[(student > low) & (student <= high)])
        assert band["rows"] == len(mine)
        for name, level in LEVELS.items():
            k = int(np.ceil((len(mine) + 1) * level - 1e-9))
            if k > len(mine):
                assert band[name] is None
            else:
                assert mine[k - 1] <= band[name] <= mine[k - 1] * 1.001


@pytest.mark.parametrize(("n", "names"), [(8, ["50%"]), (9, ["50%", "90%"]), (98, ["50%", "90%"]), (99, list(LEVELS))])
def test_a_point_is_given_from_as_many_rows_on_as_its_guarantee_needs(n, names):
    student = np.zeros((n, 1))
    (band,) = measured_doubt(student, student + 1.0, "regression", np.array([0.0]))["bands"]
    assert [name for name in LEVELS if band[name] is not None] == names


def points_of_their_own(facts, name):
    """The points of the bands, None where a band shares it with its neighbours."""
    rows, least = np.array([band["rows"] for band in facts["bands"]]), _least_rows(LEVELS[name])
    return [band[name] if len(_sharing(rows, i, least)) == 1 else None for i, band in enumerate(facts["bands"])]


def test_bands_with_too_few_rows_share_a_point():
    training = np.arange(10_000.0)
    student = np.concatenate([np.full(30, 50.0), np.full(40, 150.0), training[300:]])
    teacher = student + np.where(student < 300, 2.0, 1.0)
    bands = measured_doubt(student[:, None], teacher[:, None], "regression", training)["bands"]
    few = [i for i, band in enumerate(bands) if band["rows"] < 99]
    assert few == [0]
    assert [band["99%"] for band in bands[:3]] == [2.0, 2.0, 1.0]
    assert bands[0]["90%"] == 2.0
    assert bands[1]["90%"] == 1.0


def test_every_band_has_a_point_if_all_rows_together_are_enough():
    training, scores = np.linspace(0, 1, 1000), np.full((99, 2), 0.5)
    for n, has_point in ((98, False), (99, True)):
        bands = measured_doubt(scores[:n], scores[:n], "classification", training)["bands"]
        assert len(bands) == 6
        assert {band["99%"] is not None for band in bands} == {has_point}


def test_which_bands_share_does_not_depend_on_which_of_their_rows_is_the_new_one():
    """So that the new row and the measured rows are exchangeable."""
    rng = np.random.default_rng(0)
    for _ in range(500):
        rows = rng.integers(5, size=6)  # with the new one
        for i in np.flatnonzero(rows):
            together = _sharing(rows - (np.arange(6) == i), i, 4)
            others = [j for j in together if rows[j]]
            assert all(_sharing(rows - (np.arange(6) == j), j, 4) == together for j in others)


def test_new_rows_of_bands_that_share_a_point_are_within_it_together(model, table, differences):
    """Measured rows that are too few for most bands: the shared points hold, and would not if few rows had theirs."""
    X, _ = table
    scores, rng = model.predict_proba(X), np.random.default_rng(0)
    teacher, hits, n_draws = model.teacher_.predict_proba(X), [], 400
    at = banded(scores, "classification")
    for _ in range(n_draws):
        rows = rng.permutation(np.arange(2000, len(X)))
        old, new = rows[:150], rows[150:]
        facts = measured_doubt(scores[old], teacher[old], "classification", model._training_scores)
        band = np.searchsorted(facts["edges"], at[new])
        assert len(facts["bands"]) >= 6
        for name in ("90%", "99%"):
            points = np.array([band[name] for band in facts["bands"]])
            hits.append((differences[new] <= points[band]).mean())
    for found, level in ((hits[::2], 0.9), (hits[1::2], 0.99)):
        assert np.mean(found) >= level - 4 * np.std(found) / np.sqrt(n_draws)
        assert np.mean(found) < level + 0.06


def test_new_rows_of_the_table_are_within_the_points_in_every_band_on_average(model, table, differences):
    """The guarantee is on average over the measured rows: so it is checked over many draws of them."""
    X, _ = table
    scores, rng = model.predict_proba(X), np.random.default_rng(0)
    teacher, n_draws = model.teacher_.predict_proba(X), 200
    within = {name: [] for name in LEVELS}
    for _ in range(n_draws):
        rows = rng.permutation(np.arange(2000, len(X)))
        old, new = rows[:3000], rows[3000:]
        facts = measured_doubt(scores[old], teacher[old], "classification", model._training_scores)
        band = np.searchsorted(facts["edges"], scores[new, 1])
        for name in LEVELS:
            points = points_of_their_own(facts, name)
            within[name].append([p and (differences[new] <= p)[band == i].mean() for i, p in enumerate(points)])
    for name, level in LEVELS.items():
        shares = np.array(within[name], dtype=float)
        shares = shares[:, ~np.isnan(shares).any(axis=0)]
        assert shares.shape[1] >= 5
        error = shares.std(axis=0) / np.sqrt(n_draws)
        assert (shares.mean(axis=0) >= level - 4 * error).all(), name
        # And not by much more, though equal differences of a tree and a forest let a point cover more.
        assert shares.mean() < level + 0.06


def test_a_model_file_keeps_the_doubt_that_was_measured_without_labels(model, table, differences, tmp_path):
    X, _ = table
    try:
        model.measure_doubt(X[2000:])
        model.to_onnx(tmp_path / "student.onnx")
    finally:
        facts, model.doubt_ = model.doubt_, None
    assert sum(band["rows"] for band in facts["bands"]) == 10_000
    assert tabkd.load(tmp_path / "student.onnx").metadata["doubt"] == facts
    X.to_parquet(tmp_path / "in.parquet")
    score_dataset(tmp_path / "student.onnx", [tmp_path / "in.parquet"], tmp_path / "out.parquet", max_doubt=0.1)
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert list(found)[-2:] == ["doubt", "doubtful"]
    assert set(found["doubt"].dropna()) == {band[DOUBT] for band in facts["bands"]} - {None}
    np.testing.assert_array_equal(found["doubtful"], ~(found["doubt"] <= 0.1))
    assert 0.05 < found["doubtful"].mean() < 0.95
    assert (differences <= found["doubt"].fillna(1))[2000:].mean() > 0.9
    exported = tabkd.load(tmp_path / "student.onnx")
    assert pa.concat_tables(score_batches(exported, [X], max_doubt=0.1)).to_pandas()["doubt"].equals(found["doubt"])
    assert differences[~found["doubtful"]].mean() < differences[found["doubtful"]].mean()


def test_the_test_rows_of_a_report_measure_doubt_too(model, table, tmp_path):
    X, y = table
    report = evaluate(model, X[2000:3000], y[2000:3000], n_resamples=10)
    assert sum(band["rows"] for band in report.doubt["bands"]) == 1000
    model.to_onnx(tmp_path / "student.onnx", report)
    assert tabkd.load(tmp_path / "student.onnx").metadata["doubt"] == report.doubt == report.to_dict()["doubt"]
    try:
        model.measure_doubt(X[3000:])
        model.to_onnx(tmp_path / "student.onnx", report)
        assert tabkd.load(tmp_path / "student.onnx").metadata["doubt"] == model.doubt_ != report.doubt
    finally:
        model.doubt_ = None


@pytest.mark.parametrize("task", ["three classes", "regression"])
def test_other_tasks_have_doubt_in_their_own_unit(task, tmp_path):
    small = {"student": "tree", "n_synthetic": 1000, "random_state": 0}
    if task == "regression":
        X, y = load_diabetes(return_X_y=True, as_frame=True)
        model = DistilledRegressor(RandomForestRegressor(10, random_state=0), **small).fit(X[:200], y[:200])
        difference = np.abs(model.predict(X) - model.teacher_.predict(X))
    else:
        X, y = exchangeable(3, 1500)
        model = DistilledClassifier(RandomForestClassifier(10, random_state=0), **small).fit(X[:200], y[:200])
        difference = np.abs(model.predict_proba(X) - model.teacher_.predict_proba(X)).max(axis=1)
    model.measure_doubt(X[200:]).to_onnx(tmp_path / "student.onnx")
    X.to_csv(tmp_path / "in.csv", index=False)
    score_dataset(tmp_path / "student.onnx", [tmp_path / "in.csv"], tmp_path / "out.csv", max_doubt=0.2)
    found = pd.read_csv(tmp_path / "out.csv")
    assert 0.89 < (difference <= found["doubt"])[200:].mean() < 0.95
    assert found["doubtful"].equals(~(found["doubt"] <= 0.2))


def test_a_score_without_a_point_is_doubtful(model, table, tmp_path):
    X, _ = table
    X.to_parquet(tmp_path / "in.parquet")
    try:
        model.measure_doubt(X[2000:2008]).to_onnx(tmp_path / "student.onnx")
    finally:
        model.doubt_ = None
    score_dataset(tmp_path / "student.onnx", [tmp_path / "in.parquet"], tmp_path / "out.parquet", max_doubt=1)
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert found["doubt"].isna().all()
    assert found["doubtful"].all()


def test_equal_scores_of_a_tree_are_in_one_band_also_in_float32(model):
    scores = model._training_scores
    facts = measured_doubt(scores[:, None].repeat(2, 1), scores[:, None].repeat(2, 1), "classification", scores)
    facts["bands"] = [{DOUBT: float(i)} for i in range(len(facts["bands"]))]
    np.testing.assert_array_equal(doubts(facts, scores), doubts(facts, scores.astype(np.float32)))
    at = np.array([0.1, 0.2, 0.5, 0.9])
    facts = measured_doubt(at.repeat(500)[:, None].repeat(2, 1), np.zeros((2000, 2)), "classification", at.repeat(500))
    facts["bands"] = [{DOUBT: float(i)} for i in range(len(facts["bands"]))]
    assert len(set(doubts(facts, at))) == 4
    np.testing.assert_array_equal(doubts(facts, at), doubts(facts, at.astype(np.float32)))


def test_doubt_of_whole_numbers_of_any_size_is_read():
    facts = {"edges": [0, 10**30], "bands": [{DOUBT: 0}, {DOUBT: 10**30}, {DOUBT: None}]}
    np.testing.assert_array_equal(doubts(facts, np.array([-1.0, 1.0, 2e30])), [0, 1e30, np.nan])


def test_doubt_that_cannot_be_measured_or_read_is_refused(model, table, tmp_path):
    X, _ = table
    with pytest.raises(ValueError, match="the table has no rows"):
        model.measure_doubt(X[:0])
    both = DistilledRegressor(RandomForestRegressor(3), student="tree", n_synthetic=100)
    both.fit(X[:100], X[["c0", "c1"]][:100])
    with pytest.raises(ValueError, match="doubt is not defined for 2 targets"):
        both.measure_doubt(X[100:200])
    X.to_parquet(tmp_path / "in.parquet")
    model.to_onnx(tmp_path / "student.onnx")
    job = (tmp_path / "student.onnx", [tmp_path / "in.parquet"], tmp_path / "out.parquet")
    with pytest.raises(ValueError, match=r"max_doubt=0.1 needs a model whose distance .* model.measure_doubt\(X\)"):
        score_dataset(*job, max_doubt=0.1)
    with pytest.raises(ValueError, match="max_doubt is -1; expected a number from 0"):
        score_dataset(*job, max_doubt=-1)
    with pytest.raises(ValueError, match=r"max_doubt is '0\.1'; expected a number from 0"):
        score_dataset(*job, max_doubt="0.1")
    assert not (tmp_path / "out.parquet").exists()


def test_a_new_fit_forgets_doubt(table):
    X, y = table
    model = DistilledClassifier(RandomForestClassifier(3, random_state=0), student="tree", n_synthetic=100)
    assert model.fit(X[:100], y[:100]).measure_doubt(X[100:]).doubt_ is not None
    assert model.fit(X[:100], y[:100]).doubt_ is None
