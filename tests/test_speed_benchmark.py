"""The benchmark of speed: who takes part, and what a conversion of the teacher has to be."""

import re
import sys

import numpy as np
import pytest

from benchmarks import one_row
from benchmarks.big_teacher import LIGHTGBM, big_teacher
from benchmarks.contestant import Contestant, Material, check
from benchmarks.speed_converted import SingleRow, converted
from tabkd.students import TreeStudent


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    X = np.random.default_rng(0).normal(size=(1500, 4)).astype(np.float32)
    y = (X[:, 0] + X[:, 1] ** 2 > 1).astype(int)
    return Material(big_teacher(n_estimators=3, n_jobs=1).fit(X, y), X, y, tmp_path_factory.mktemp("speed"), 200)


def test_the_call_for_a_single_row_gives_the_probability_of_the_booster(material):
    booster = material.teacher.named_estimators_[LIGHTGBM].booster_
    single = SingleRow(booster, 4)
    found = [single(material.X[i : i + 1]) for i in range(50)]
    np.testing.assert_allclose(found, booster.predict(material.X[:50]))


def test_a_contestant_of_single_rows_is_compared_with_the_teacher_row_by_row(material):
    sizes = []

    def wrong_from(row):
        def predict(X):
            sizes.append(len(X))
            return material.teacher.predict_proba(X) + (len(sizes) > row)

        return predict

    check(Contestant({"1": wrong_from(10**6)}, most_rows=1), material)
    assert sizes == [1] * 1000
    sizes.clear()
    with pytest.raises(ValueError, match="scores differ from the teacher's by up to 1"):
        check(Contestant({"1": wrong_from(900)}, most_rows=1), material)


def test_it_takes_no_larger_batches():
    assert [Contestant({}, most_rows=1).takes(n) for n in (1, 2)] == [True, False]
    assert Contestant({}).takes(10**6)


def test_a_library_that_is_not_there_is_left_out_with_its_reason(material, monkeypatch):
    for name in ("daal4py", "onnxmltools", "tl2cgen", "lleaves"):
        monkeypatch.setitem(sys.modules, name, None)
    found, absent = converted(material)
    assert found == {}
    assert re.match(r"ModuleNotFoundError: .*daal4py", absent["teacher by oneDAL"])
    assert len(absent) == 5


def test_one_row_is_timed_once_as_a_dict_and_as_a_frame(tmp_path, monkeypatch):
    monkeypatch.setattr(one_row, "STUDENTS", {"tree": TreeStudent()})
    text = one_row.run(tmp_path, quick=True)
    assert re.search(r"^\| tree \| [\d,]+ µs \| [\d,]+ µs \| [\d,]+ µs \| [\d,]+ µs \|$", text, re.MULTILINE)
    monkeypatch.setattr(one_row, "mixed_rows", lambda n: (None, None))
    assert one_row.run(tmp_path, quick=True) == text
