"""What changes when a student replaces a model, found in one pass over the rows."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from scipy.stats import hypergeom
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression

import tabkd
from tabkd import DistilledClassifier, DistilledRegressor, compare
from tabkd._compare import one_pass, segments
from tabkd._compare.places import over_represented
from tabkd._reference import stability_index
from tabkd._review import cut

N = 4000
BUDGETS = [0.01, 0.1]


class OfAmount(ClassifierMixin, BaseEstimator):
    """A teacher whose score rises with the amount, in shop "b" by some more."""

    def __init__(self, more=0.0):
        self.more = more

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        p = 1 / (1 + np.exp(-X["amount"] - self.more * (X["shop"] == "b").to_numpy()))
        return np.column_stack([1 - p, p])


def table(n=N, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"amount": rng.normal(size=n), "shop": rng.choice(["a", "b", "c", None], n)})
    return frame.assign(paid=rng.random(n) > 0.5, region=rng.choice(["north", "south"], n, p=[0.8, 0.2]))


@pytest.fixture(scope="module")
def frame():
    return table()


def student(more, path):
    X = table(3000, seed=1).drop(columns="region")
    model = DistilledClassifier(OfAmount(more), student="boosted_trees", n_synthetic=2000, random_state=0)
    model.fit(X, np.where(X["amount"] > 0, "yes", "no")).to_onnx(path)
    return path


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    return student(0.0, tmp_path_factory.mktemp("old") / "old.onnx")


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    return student(1.5, tmp_path_factory.mktemp("new") / "new.onnx")


@pytest.fixture(scope="module")
def scores(frame, old, new):
    return [tabkd.load(path).predict_proba(frame)[:, 1] for path in (old, new)]


@pytest.fixture(scope="module")
def found(frame, old, new):
    return compare(old, new, frame, review=BUDGETS, segment=["region", "shop"], batch_size=700, timing=False)


def test_alerts_are_those_of_the_scores_of_all_rows(found, scores):
    assert found.n_rows == N
    for entry, n in zip(found.review, [40, 400], strict=True):
        before, after = (cut(of_model, n).alerted(of_model) for of_model in scores)
        assert entry["alerts"] == n
        assert entry["same"] == pytest.approx(np.minimum(before, after).sum())
        assert entry["go"] == pytest.approx(entry["come"]) == pytest.approx(n - entry["same"])
        assert entry["old_threshold"] == cut(scores[0], n).threshold
        above = np.count_nonzero(scores[1] >= entry["new_threshold"])
        assert above == n - entry["new_ties"]["alerts"] + entry["new_ties"]["rows"]


def test_a_threshold_of_the_old_model_gets_one_of_the_new_that_keeps_its_volume(found, frame, old, new, scores):
    again = compare(old, new, frame, threshold=0.8, segment=["region"], timing=False)
    n = np.count_nonzero(scores[0] >= 0.8)
    (entry,) = again.review
    assert entry["alerts"] == n
    assert entry["old_threshold"] == scores[0][scores[0] >= 0.8].min()
    assert (
        np.count_nonzero(scores[1] > entry["new_threshold"])
        < n
        <= np.count_nonzero(scores[1] >= entry["new_threshold"])
    )
    assert entry["places"][0]["values"] == "b"
    both = compare(old, new, frame, review=[0.1], threshold=0.94, timing=False)
    assert both.review[1]["same"] == found.review[1]["same"]
    with pytest.raises(ValueError, match=r"no row reaches threshold=2; the highest score of the old model is 0\.9"):
        compare(old, new, frame, threshold=2, timing=False)


def test_the_place_where_the_models_differ_is_named_first(found):
    places = found.review[1]["places"]
    assert (places[0]["column"], places[0]["values"], places[0]["direction"]) == ("shop", "b", "come")
    assert places[0]["lift"] > 2
    assert 0 < places[0]["rows"] <= places[0]["alerts"]
    assert len(places) <= 10
    assert all(place["lift"] > 1 and place["rows"] >= 5 for place in places)
    assert not [place for place in places if place["column"] == "paid"]


def test_segments_add_up_to_the_whole(found, frame, scores):
    levels = found.segments["shop"]
    assert {level["level"]: level["rows"] for level in levels} == {
        "missing": frame["shop"].isna().sum(),
        **frame["shop"].value_counts(),
    }
    for k, entry in enumerate(found.review):
        for name in ("old", "new"):
            assert sum(level["review"][k][name] for level in levels) == pytest.approx(entry["alerts"])
        assert sum(level["review"][k]["same"] for level in levels) == pytest.approx(entry["same"])
    psi = {level["level"]: level["psi"] for level in levels}
    assert psi["b"] > 10 * max(psi["a"], psi["c"], psi["missing"])
    edges = np.quantile(scores[0], np.linspace(0, 1, 11)[1:-1])
    counted = (np.bincount(np.searchsorted(edges, of_model), minlength=10) for of_model in scores)
    assert found.psi == pytest.approx(stability_index(*counted), rel=0.05)


def test_differences_are_those_of_the_scores(found, scores):
    apart = np.abs(scores[1] - scores[0])
    assert found.differences["mean"] == pytest.approx(apart.mean())
    assert found.differences["shift"] == pytest.approx((scores[1] - scores[0]).mean())
    assert found.differences["99%"] == pytest.approx(np.quantile(apart, 0.99))


@pytest.mark.parametrize("form", ["csv", "parquet", "folder", "polars", "arrow"])
def test_rows_in_every_form_give_the_same(found, frame, old, new, tmp_path, form):
    if form == "csv":
        frame.to_csv(tmp_path / "rows.csv", index=False)
        rows = [tmp_path / "rows.csv"]
    elif form == "parquet":
        frame.to_parquet(tmp_path / "rows.parquet")
        rows = [tmp_path / "rows.parquet"]
    elif form == "folder":
        for region, part in frame.groupby("region"):
            (tmp_path / f"region={region}").mkdir()
            part.drop(columns="region").to_parquet(tmp_path / f"region={region}" / "rows.parquet")
        rows = [tmp_path]
    else:
        rows = pl.from_pandas(frame) if form == "polars" else pa.Table.from_pandas(frame)
    again = compare(old, new, rows, review=BUDGETS, segment=["region", "shop"], batch_size=300, timing=False)
    assert again.table() == found.table()
    for one, other in zip(found.review, again.review, strict=True):
        assert [place["values"] for place in one["places"]] == [place["values"] for place in other["places"]]
    assert again.segments["region"][0]["rows"] == found.segments["region"][0]["rows"]


def test_a_query_whose_rows_nobody_knows_the_number_of_gives_the_same(found, frame, old, new, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(tmp_path / "rows.duckdb") as database:
        database.execute("CREATE TABLE t AS SELECT * FROM frame")
    again = compare(old, new, [tmp_path / "rows.duckdb"], query="SELECT * FROM t", review=BUDGETS, timing=False)
    assert [entry["same"] for entry in again.review] == pytest.approx([entry["same"] for entry in found.review])


def test_only_rows_that_may_alert_are_kept_with_their_columns(frame, old, new, monkeypatch):
    monkeypatch.setattr("tabkd.batch._alerts._MORE_WAITING", 0)
    kept = []
    of = one_pass.Places.of
    monkeypatch.setattr(one_pass.Places, "of", lambda self, table: kept.append(len(table)) or of(self, table))
    found = compare(old, new, frame, review=[0.01], batch_size=200, timing=False)
    assert sum(kept) < N / 4
    assert found.review == compare(old, new, frame, review=[0.01], batch_size=N, timing=False).review


def test_a_place_is_beyond_chance_by_the_draws_that_chance_would_make():
    there, moving = np.array([30.0, 50.0, 20.0]), np.array([12.0, 5.0, 3.0])
    beyond, lift = over_represented(moving, there)
    drawn = [hypergeom(100, 20, n) for n in there]
    assert beyond == pytest.approx([(k - of.mean()) / of.std() for k, of in zip(moving, drawn, strict=True)])
    assert lift == pytest.approx([12 / 6, 5 / 10, 3 / 4])


def test_a_fitted_estimator_and_a_column_of_scores_are_compared_like_a_student(frame, new):
    teacher = OfAmount().fit(frame, np.where(frame["amount"] > 0, "yes", "no"))
    by_estimator = compare(teacher, new, frame, review=BUDGETS, timing=False)
    assert by_estimator.old == "OfAmount"
    with_scores = frame.assign(before=teacher.predict_proba(frame)[:, 1])
    by_column = compare("column:before", new, with_scores, review=BUDGETS, timing=False)
    assert by_column.old == "the column 'before'"
    assert by_column.review == by_estimator.review
    assert by_column.differences == by_estimator.differences


def test_scores_on_another_scale_are_compared_by_their_order_alone(frame, old, new, scores):
    points = frame.assign(points=300 + 500 * scores[0])
    found = compare("column:points", new, points, review=BUDGETS, segment=["shop"], timing=False)
    by_model = compare(old, new, frame, review=BUDGETS, timing=False)
    assert [entry["same"] for entry in found.review] == [entry["same"] for entry in by_model.review]
    assert (found.psi, found.differences) == (None, None)
    assert found.segments["shop"][0]["psi"] is None
    assert found.reasons["psi"].endswith("are not probabilities, so only the order of the rows is compared")
    assert found.reasons["psi"] in repr(found)


def test_values_are_compared_by_the_largest(frame, tmp_path):
    class Line(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            return self

        def predict(self, X):
            return 100 * X["amount"].to_numpy()

    X = frame[["amount"]]
    model = DistilledRegressor(Line(), student="boosted_trees", n_synthetic=500, random_state=0)
    model.fit(X, X["amount"]).to_onnx(tmp_path / "line.onnx")
    found = compare(Line(), tmp_path / "line.onnx", X, review=[0.1], timing=False)
    assert found.task == "regression"
    assert found.review[0]["old_threshold"] == pytest.approx(100 * np.sort(X["amount"])[-400])
    assert found.review[0]["changed"] < 0.1


def test_a_student_and_a_teacher_of_arrays_are_compared_on_arrays(tmp_path):
    X = np.random.default_rng(0).normal(size=(1000, 3))
    teacher = RandomForestClassifier(5, random_state=0).fit(X, X[:, 0] > 0)
    model = DistilledClassifier(teacher, student="tree", n_synthetic=500, random_state=0).fit(X, X[:, 0] > 0)
    model.to_onnx(tmp_path / "student.onnx")
    found = compare(teacher, tmp_path / "student.onnx", X, review=[0.1])
    difference = model.predict_proba(X)[:, 1] - teacher.predict_proba(X)[:, 1]
    assert found.differences["mean"] == pytest.approx(np.abs(difference).mean())
    assert found.speed["old"]["one_row_p50_us"] > 0
    with pytest.raises(ValueError, match=r"rows is an array of shape \(1000, 2\); new has 3 columns"):
        compare(teacher, tmp_path / "student.onnx", X[:, :2])


def test_both_are_timed_and_a_column_is_not(frame, old, new):
    found = compare(old, new, frame.assign(before=0.5), review=BUDGETS)
    assert found.speed["batch_size"] == 256
    assert {"rows_per_second", "one_row_p50_us"} <= found.speed["old"].keys() & found.speed["new"].keys()
    assert "old" not in compare("column:before", new, frame.assign(before=0.5), review=BUDGETS).speed


def test_what_was_found_shows_itself(found):
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["review"][0]["budget"] == 0.01
    assert found.to_frame()["budget"].tolist() == BUDGETS
    lines = repr(found).splitlines()
    assert "in place of" in lines[0]
    assert "threshold of old" in lines[1]
    assert len(lines[2].split()) == 9
    assert "<table>" in found._repr_html_()


def test_names_are_escaped_in_html(frame, new):
    found = compare("column:<script>", new, frame.rename(columns={}).assign(**{"<script>": 0.5}), timing=False)
    assert "<script>" not in found._repr_html_()


def test_rows_without_scores_are_refused_or_left_out_of_both(frame, old, new, tmp_path):
    rows = frame.astype({"amount": object})
    rows.loc[7, "amount"] = "much"
    rows.to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(ValueError, match=r"row 7: .*'much'.*At least 1 rows cannot be scored, and max_rejects is 0"):
        compare(old, new, [tmp_path / "rows.csv"], timing=False)
    found = compare(old, new, [tmp_path / "rows.csv"], max_rejects=1, timing=False)
    assert (found.n_rows, found.n_rejected) == (N - 1, 1)
    infinite = frame.assign(amount=frame["amount"].where(frame.index != 3, np.inf))
    found = compare(old, new, infinite, max_rejects=1, review=BUDGETS, timing=False)
    assert (found.n_rows, found.n_rejected) == (N - 1, 1)


def test_a_row_that_only_the_old_model_refuses_is_left_out_of_both(frame, new, tmp_path):
    X = table(1000, seed=2).assign(extra=lambda d: d["amount"] ** 2)
    model = DistilledClassifier(OfAmount(), student="tree", n_synthetic=500, random_state=0)
    model.fit(X.drop(columns="region"), np.where(X["amount"] > 0, "yes", "no")).to_onnx(tmp_path / "wide.onnx")
    rows = frame.assign(extra=np.where(frame.index < 5, np.inf, 1.0))
    found = compare(tmp_path / "wide.onnx", new, rows, max_rejects=5, timing=False)
    assert (found.n_rows, found.n_rejected) == (N - 5, 5)
    with pytest.raises(ValueError, match=r"At least 5 rows .* max_rejects is 4"):
        compare(tmp_path / "wide.onnx", new, rows, max_rejects=4, timing=False)


def test_models_that_do_not_fit_each_other_are_refused(frame, old, new, tmp_path):
    X = frame.drop(columns="region")
    params = {"student": "tree", "n_synthetic": 300, "random_state": 0}
    line = DistilledRegressor(LinearRegression(), **params).fit(X[["amount"]], X["amount"])
    line.to_onnx(tmp_path / "line.onnx")
    with pytest.raises(ValueError, match=r"is a model of regression, .* one of classification"):
        compare(tmp_path / "line.onnx", new, frame)
    three = DistilledClassifier(RandomForestClassifier(5), **params).fit(X[["amount"]], np.arange(N) % 3)
    three.to_onnx(tmp_path / "three.onnx")
    with pytest.raises(ValueError, match="has 3 classes, but alerts are"):
        compare(old, tmp_path / "three.onnx", frame)
    other = DistilledClassifier(RandomForestClassifier(5), **params).fit(X[["amount"]], X["amount"] > 0)
    other.to_onnx(tmp_path / "other.onnx")
    with pytest.raises(ValueError, match=r"has the classes \[False, True\], but .* has \['no', 'yes'\]"):
        compare(tmp_path / "other.onnx", new, frame)
    text = DistilledClassifier(RandomForestClassifier(5), **params)
    text.fit(pd.DataFrame({"amount": np.where(X["amount"] > 0, "x", "z")}).pipe(pd.get_dummies), X["paid"])
    with pytest.raises(ValueError, match="has no column 'before', whose scores are to be compared"):
        compare("column:before", new, frame)
    with pytest.raises(ValueError, match=r"gives nan for row 2 of 'rows', which is not a score"):
        compare("column:before", new, frame.assign(before=np.where(frame.index == 2, np.nan, 0.5)))


def test_a_column_that_is_text_for_one_and_a_number_for_the_other_is_refused(frame, new, tmp_path):
    X = frame[["amount", "shop"]].assign(shop=np.arange(N) % 3)
    model = DistilledClassifier(OfAmount(), student="tree", n_synthetic=300, random_state=0)
    model.fit(X, np.where(X["amount"] > 0, "yes", "no")).to_onnx(tmp_path / "codes.onnx")
    with pytest.raises(ValueError, match=r"column 'shop' is a number in .*, but text in .*column:NAME"):
        compare(tmp_path / "codes.onnx", new, frame)


def test_a_segment_has_to_be_a_column_that_groups_rows(frame, old, new, monkeypatch):
    with pytest.raises(ValueError, match="segment='city' is not a column of 'rows'; it has 'amount'"):
        compare(old, new, frame, segment=["city"])
    monkeypatch.setattr(segments, "_MOST_LEVELS", 100)
    with pytest.raises(ValueError, match=r"segment='amount' has more than 100 values"):
        compare(old, new, frame, segment=["amount"])


def test_rare_levels_of_a_segment_are_one(frame, old, new):
    of = np.minimum(np.arange(N) // 100, 24)
    found = compare(old, new, frame.assign(group=of), segment=["group"], review=BUDGETS, timing=False).segments["group"]
    assert len(found) == 21
    assert (found[0]["level"], found[0]["rows"]) == ("24", 1600)
    assert (found[-1]["level"], found[-1]["rows"]) == ("all others", 500)


def test_a_segment_is_given_in_a_list(frame, old, new):
    with pytest.raises(ValueError, match=r"segment is 'region'; give a list of columns, as in \['region'\]"):
        compare(old, new, frame, segment="region")


def test_one_file_is_given_in_a_list(old, new):
    with pytest.raises(ValueError, match=r"rows is 'a.csv'; give a list of files, .* as in \['a.csv'\]"):
        compare(old, new, "a.csv")


@pytest.mark.parametrize(("name", "value"), [("query", "SELECT 1"), ("delimiter", ";"), ("thousands", ",")])
def test_options_of_files_and_databases_are_refused_for_rows_in_memory(frame, old, new, name, value):
    with pytest.raises(ValueError, match=f"{name} is for .* in memory; leave it out"):
        compare(old, new, frame, **{name: value})


def test_no_rows_are_refused(frame, old, new):
    with pytest.raises(ValueError, match="there are no rows with scores to compare"):
        compare(old, new, frame.iloc[:0])


def test_the_index_of_stability_follows_from_the_distribution(found):
    spread = found.distribution
    assert stability_index(np.array(spread["old"]), np.array(spread["new"])) == pytest.approx(found.psi)
    assert len(spread["old"]) == len(spread["edges"]) + 1 == 10


def test_a_page_of_hostile_names_holds_no_markup_of_theirs(frame, new, tmp_path):
    hostile = "</style><script>alert(1)</script>"
    rows = frame.assign(**{hostile: 0.5, "shop": frame["shop"].fillna(hostile)})
    found = compare(f"column:{hostile}", new, rows, review=[0.1], segment=["shop", hostile], timing=False)
    content = found.to_html(tmp_path / "page.html")
    assert content == (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "alert(1)" in content
    assert "<script" not in content
    assert content.count("<style>") == content.count("</style>") == 1


def test_scores_that_are_not_compared_have_no_section(frame, old, new, scores):
    found = compare("column:points", new, frame.assign(points=300 + 500 * scores[0]), review=[0.1], timing=False)
    assert "<h2>The scores</h2>" not in found.to_html()
    assert "are not probabilities, so only the order of the rows is compared" in found.to_html()
