"""Reasons and doubt on Spark are those of the local engine."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

from tabkd import DistilledClassifier, batch
from tabkd._cli.table_codes import TableCodes
from tabkd.spark import _dataset as dataset
from tabkd.spark import score
from tabkd.spark._parts import Parts
from tests.spark.table import COLUMNS

pytestmark = [
    # Spark leaves sockets to the end of the process.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def path(frame, tmp_path_factory):
    teacher = make_pipeline(TableCodes(), RandomForestClassifier(5, random_state=0))
    model = DistilledClassifier(teacher, student="tree", n_synthetic=1000, random_state=0)
    score = frame["amount"] + frame["a `b`"] + frame["shop"].eq("é")
    model.fit(frame[COLUMNS][:2000], score[:2000] > 1).measure_doubt(frame[COLUMNS][2000:])
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    model.to_onnx(path, contributions=True)
    return path


@pytest.fixture(scope="module")
def files(frame, tmp_path_factory):
    """Three files, with a row that cannot be scored."""
    folder = tmp_path_factory.mktemp("in")
    text = frame[:3000].astype({"amount": object})
    text.loc[1234, "amount"] = "1 EUR"
    for i, part in enumerate(np.array_split(np.arange(3000), 3)):
        text.iloc[part].astype({"amount": str}).to_parquet(folder / f"{i}.parquet")
    return folder


@pytest.fixture
def options(tmp_path):
    codes = tmp_path / "codes.csv"
    codes.write_text("column,code,text\namount,A1,high amount\nboth,B2,\n")
    options = {"reasons": 2, "reason_codes": codes, "reason_groups": {"both": ["shop", "a `b`"]}, "max_doubt": 0.1}
    return {"keep": ["id"], "rejects": tmp_path / "rejects.csv", "max_rejects": 1, **options}


def check(found, local):
    found = found.sort_values("id", ignore_index=True)
    expected = pd.read_parquet(local).sort_values("id", ignore_index=True)
    assert list(found)[4:] == [
        *("doubt", "doubtful", "reason_1", "reason_2", "reason_text_1", "reason_text_2"),
        *("contribution_1", "contribution_2"),
    ]
    assert found["reason_2"].isna().any()
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, atol=1e-6)


@pytest.mark.parametrize("alerts", [{"threshold": 0.7}, {"top_fraction": 0.13}])
def test_a_job_writes_those_of_the_local_engine(spark, path, files, options, tmp_path, alerts, monkeypatch):
    monkeypatch.setattr(dataset, "_PART_BYTES", 1)
    monkeypatch.setattr(dataset, "_BYTES_PER_CORE", 1)
    options |= alerts
    local = batch.score_dataset(path, [files], tmp_path / "local.parquet", **options)
    add, added = Parts.add, []

    def add_two(self, *given):
        if len(added) == 2:
            raise RuntimeError("interrupted")
        added.append(given)
        return add(self, *given)

    job = (path, [str(files)], tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(Parts, "add", add_two)
        with pytest.raises(RuntimeError, match="interrupted"):
            dataset.score_dataset(*job, **options, resume=True)
    with pytest.raises(ValueError, match=r"an unfinished job of another reasons and max_doubt\. Repeat the options"):
        dataset.score_dataset(*job, **options | {"reasons": 1, "max_doubt": 0.2}, resume=True)
    done = dataset.score_dataset(*job, **options, resume=True)
    assert (done.written, done.rejected) == (local.written, 1)
    check(pd.read_parquet(tmp_path / "out"), tmp_path / "local.parquet")


def test_a_data_frame_gets_those_of_the_local_engine(spark, frame, path, options, tmp_path):
    frame[:2000].to_parquet(tmp_path / "in.parquet")
    options = {name: value for name, value in options.items() if "rejects" not in name} | {"threshold": 0.7}
    batch.score_dataset(path, [tmp_path / "in.parquet"], tmp_path / "local.parquet", **options)
    found = score(spark.read.parquet(str(tmp_path / "in.parquet")), path, **options)
    check(found.toPandas(), tmp_path / "local.parquet")


def test_what_a_model_does_not_have_is_refused_on_the_driver(spark, frame, path, tmp_path):
    frame[:10].to_parquet(tmp_path / "in.parquet")
    rows = spark.read.parquet(str(tmp_path / "in.parquet"))
    with pytest.raises(ValueError, match="reasons is 4, but the model has 3 columns"):
        score(rows, path, reasons=4)
    with pytest.raises(ValueError, match="keep='doubt' has the name"):
        score(rows, path, keep=["doubt"], max_doubt=0.1)
