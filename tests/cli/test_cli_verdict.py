"""The verdict of `tabkd distill`: on the terminal, and in report.json."""

import json

import numpy as np
import pytest

from tests.cli.commands import SMALL, run, write


def report_of(folder):
    return json.loads((folder / "report.json").read_text())


def test_the_verdict_is_printed_and_written(distilled):
    folder, output = distilled
    report = report_of(folder)
    assert report["verdict"] in ("distil", "do not distil", "cannot tell")
    assert report["advice"] in output
    assert report["metric"] == "neg_log_loss"
    assert "decided by" in output
    assert set(report["per_class"]) == {"no", "yes"}
    assert set(report["per_class"]["yes"]) == {"support", "teacher_recall", "student_recall"}
    assert sum(of_class["support"] for of_class in report["per_class"].values()) == report["n_test"]
    assert all(isinstance(reason, str) for reason in report["reasons"].values())


@pytest.fixture(scope="module")
def rows(frame):
    rng = np.random.default_rng(0)
    X = frame[["amount", "hour", "amount_to_usual"]]
    return X.assign(y=rng.poisson(0.2 + np.log1p(X["amount"]) / 2).astype(float) + 0.5)


@pytest.mark.parametrize(
    ("library", "params", "metric"),
    [
        ("lightgbm", {"objective": "poisson"}, "neg_mean_poisson_deviance"),
        ("lightgbm", {"objective": "quantile", "alpha": 0.8}, "neg_mean_pinball_loss:alpha=0.8"),
        ("lightgbm", {}, "r2"),
        ("xgboost", {"objective": "reg:tweedie", "tweedie_variance_power": 1.3}, "neg_mean_tweedie_deviance:power=1.3"),
        ("xgboost", {"objective": "reg:quantileerror", "quantile_alpha": 0.8}, "neg_mean_pinball_loss:alpha=0.8"),
        ("xgboost", {}, "r2"),
    ],
)
def test_a_teacher_of_a_file_is_judged_by_the_loss_that_it_was_fitted_for(rows, tmp_path, library, params, metric):
    import lightgbm
    import xgboost

    X, y = rows.drop(columns="y"), rows["y"]
    if library == "lightgbm":
        path = tmp_path / "t.txt"
        lightgbm.LGBMRegressor(n_estimators=10, verbosity=-1, **params).fit(X, y).booster_.save_model(path)
    else:
        path = tmp_path / "t.json"
        xgboost.XGBRegressor(n_estimators=10, **params).fit(X, y).save_model(path)
    table = write(rows, tmp_path / "t.parquet")
    arguments = ("--target", "y", "--task", "regression", "--teacher", path, "--output", tmp_path / "out")
    run("distill", table, *arguments, *SMALL)
    report = report_of(tmp_path / "out")
    assert report["metric"] == metric
    assert report["metrics"]["small"][report["measure"]] is not None


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_a_teacher_of_a_file_that_favours_a_class_is_judged_by_its_ranking(rows, tmp_path, library):
    import lightgbm
    import xgboost

    labels = rows.assign(y=(rows["y"] > 2).astype(int))
    X, y = labels.drop(columns="y"), labels["y"]
    if library == "lightgbm":
        path = tmp_path / "t.txt"
        model = lightgbm.LGBMClassifier(n_estimators=10, scale_pos_weight=1.5, verbosity=-1)
        model.fit(X, y).booster_.save_model(path)
    else:
        path = tmp_path / "t.json"
        xgboost.XGBClassifier(n_estimators=10, scale_pos_weight=1.5).fit(X, y).save_model(path)
    table = write(labels, tmp_path / "t.parquet")
    run("distill", table, "--target", "y", "--teacher", path, "--output", tmp_path / "out", *SMALL)
    report = report_of(tmp_path / "out")
    assert report["metric"] == "roc_auc"
    assert "scale_pos_weight=" in report["reasons"]["metric"]
