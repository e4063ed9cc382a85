"""Drift by segment: that of each level of a column, as if its rows had been scored alone."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

from tabkd import DistilledClassifier
from tabkd._cli.table_codes import TableCodes
from tabkd.batch import score_dataset
from tabkd.batch._stopping import StoppedError
from tests.cli.commands import refused, run

N_ROWS = 3000


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"amount": rng.normal(size=N_ROWS), "shop": rng.choice(["a", "b", None], N_ROWS)})
    return frame.assign(region=rng.choice(["north", "south", None], N_ROWS, p=[0.6, 0.3, 0.1]))


@pytest.fixture(scope="module")
def path(frame, tmp_path_factory):
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(5, random_state=0))
    model = DistilledClassifier(teacher, student="tree", n_synthetic=500, random_state=0)
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    model.fit(frame[["amount", "shop"]], frame["amount"] > 0).to_onnx(path)
    return path


@pytest.fixture(scope="module")
def moved(frame):
    """The rows, of which those in the south are larger."""
    return frame.assign(amount=frame["amount"] + 3 * (frame["region"] == "south"))


def drift_of(path, frame, tmp_path, **options):
    frame.to_parquet(tmp_path / "in.parquet", row_group_size=500)
    return score_dataset(path, [tmp_path / "in.parquet"], tmp_path / "out.parquet", batch_size=500, **options).drift


def test_the_drift_of_a_level_is_that_of_its_rows_alone(path, moved, tmp_path):
    drift = drift_of(path, moved, tmp_path, segment=["region"])
    levels = drift.pop("segments")["region"]
    assert drift == drift_of(path, moved, tmp_path)
    assert [level["level"] for level in levels] == ["north", "south", "missing"]
    for level in levels:
        name = level.pop("level")
        rows = moved[moved["region"].fillna("missing") == name]
        assert level.pop("rows") == len(rows)
        assert level == drift_of(path, rows, tmp_path)
    assert levels[1]["score_stability_index"] > 20 * levels[0]["score_stability_index"]


def test_segments_are_given_in_a_list(path, frame, tmp_path):
    with pytest.raises(ValueError, match=r"segment is 'region'; give a list of columns, as in \['region'\]"):
        drift_of(path, frame, tmp_path, segment="region")


def test_rare_levels_are_one(path, frame, tmp_path):
    many = frame.assign(group=np.minimum(np.arange(N_ROWS) // 100, 25), id=np.arange(N_ROWS))
    drift = drift_of(path, many, tmp_path, segment=["group", "id"])
    groups = drift["segments"]["group"]
    assert len(groups) == 21
    assert (groups[0]["level"], groups[0]["rows"]) == ("25", 500)
    assert (groups[-1]["level"], groups[-1]["rows"]) == ("all others", 600)
    # Only the first hundred of an id are counted apart.
    ids = drift["segments"]["id"]
    assert (len(ids), sum(level["rows"] for level in ids)) == (21, N_ROWS)
    assert ids[-1]["rows"] == N_ROWS - 20


def test_a_job_that_is_resumed_has_the_drift_of_all_rows(path, moved, tmp_path):
    moved.to_parquet(tmp_path / "in.parquet", row_group_size=500)
    options = {"segment": ["region"], "batch_size": 500, "resume": True}
    job = (path, [tmp_path / "in.parquet"], tmp_path / "out.parquet")
    stops = iter([False, False, True])
    with pytest.raises(StoppedError):
        score_dataset(*job, **options, stop=lambda: next(stops))
    with pytest.raises(ValueError, match="an unfinished job of another segment"):
        score_dataset(*job, **{**options, "segment": []})
    found = score_dataset(*job, **options).drift
    assert found == drift_of(path, moved, tmp_path, segment=["region"])


def test_rows_that_cannot_be_scored_count_for_no_level(path, frame, tmp_path):
    wrong = frame.assign(amount=frame["amount"].where(frame.index >= 7, np.inf))
    levels = drift_of(path, wrong, tmp_path, segment=["region"], max_rejects=7, rejects=tmp_path / "r.csv")["segments"]
    assert sum(level["rows"] for level in levels["region"]) == N_ROWS - 7


def test_the_command_writes_the_segments_to_the_summary(path, frame, tmp_path):
    frame.to_csv(tmp_path / "in.csv", index=False)
    job = ("score", path, tmp_path / "in.csv", "--output", tmp_path / "out.csv", "--segment")
    run(*job, "region", "--summary", tmp_path / "s.json")
    levels = json.loads((tmp_path / "s.json").read_text())["drift"]["segments"]["region"]
    assert {level["level"] for level in levels} == {"north", "south", "missing"}
    assert "--segment 'region' needs --summary" in refused(*job, "region")
    assert "--segment 'city' is not a column" in refused(*job, "city", "--summary", tmp_path / "s.json")
    spark = refused(*job, "region", "--summary", tmp_path / "s.json", "--engine", "spark")
    assert "--segment does not work with --engine spark" in spark
