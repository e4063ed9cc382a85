"""The teacher of the benchmark of speed, converted or compiled by what there is for trees.

A library that is not installed, or not up to these models, is left out with its reason.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.contestant import THREADS, Contestant, Material, bare, boosters, check, files, halves, two_columns
from tabkd._pace import Predictor


def converted(material: Material) -> tuple[dict[str, Contestant], dict[str, str]]:
    """Those that could be made and score as the teacher does, and the reasons why others could not."""
    found, absent = {}, {}
    for name, make in CONVERTED.items():
        try:
            contestant = make(material)
            check(contestant, material)
            found[name] = contestant
        except Exception as error:  # a library that is not there, or not up to these models, has errors of its own
            absent[name] = f"{type(error).__name__}: {error}".split("\n", 1)[0]
    return found, absent


def _onnx_teacher(material: Material) -> Contestant:
    """Both halves converted by onnxmltools."""
    from onnxmltools import convert_lightgbm, convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    types = [("X", FloatTensorType([None, material.X.shape[1]]))]
    first, second = boosters(material)
    models = (
        convert_lightgbm(first, initial_types=types, zipmap=False),
        convert_xgboost(second, initial_types=types),
    )
    stored = [model.SerializeToString() for model in models]
    variants = {str(n): _mean_of(*(bare(_session(file, n)) for file in stored)) for n in THREADS}
    return Contestant(variants, sum(map(len, stored)))


def _session(file: bytes, n_threads: int):
    """A session whose idle threads sleep, for there are two that would spin in each other's way."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _mean_of(first: Predictor, second: Predictor) -> Predictor:
    return lambda X: (first(X) + second(X)) / 2


def _tl2cgen_teacher(material: Material) -> Contestant:
    """Both halves compiled from C."""
    import tl2cgen

    paths = [_tl2cgen_library(half, material) for half in ("lightgbm", "xgboost")]

    def predictor(n_threads: int) -> Predictor:
        first, second = (tl2cgen.Predictor(path, nthread=n_threads) for path in paths)

        def predict(X):
            matrix = tl2cgen.DMatrix(X)
            return two_columns(first.predict(matrix).ravel(), second.predict(matrix).ravel())

        return predict

    return Contestant({str(n): predictor(n) for n in THREADS}, sum(path.stat().st_size for path in paths))


def _lleaves_teacher(material: Material) -> Contestant:
    """LightGBM compiled by lleaves, and XGBoost from C, which lleaves does not take."""
    import lleaves
    import tl2cgen

    text, path = material.folder / "lightgbm.txt", _tl2cgen_library("xgboost", material)
    text.write_bytes(files(material)[0])
    cache = _compiled(material, "lleaves.o")
    model = lleaves.Model(model_file=str(text))
    model.compile(cache=str(cache))

    def predictor(n_threads: int) -> Predictor:
        second = tl2cgen.Predictor(path, nthread=n_threads)
        return lambda X: two_columns(model.predict(X, n_jobs=n_threads), second.predict(tl2cgen.DMatrix(X)).ravel())

    return Contestant({str(n): predictor(n) for n in THREADS}, cache.stat().st_size + path.stat().st_size)


def _tl2cgen_library(half: str, material: Material) -> Path:
    """The shared library of one half of the teacher, compiled by gcc where it is not there yet."""
    import tl2cgen
    import treelite

    path = _compiled(material, f"{half}.so")
    if not path.exists():
        first, second = boosters(material)
        frontend = treelite.frontend
        model = frontend.from_lightgbm(first) if half == "lightgbm" else frontend.from_xgboost(second)
        units = max(2, halves(material)[0].n_estimators // 20)
        # Thresholds as small whole numbers lose nothing, and are several times faster.
        params = {"parallel_comp": units, "quantize": 1}
        tl2cgen.export_lib(model, "gcc", path, params=params, nthread=THREADS[-1])
    return path


def _compiled(material: Material, name: str) -> Path:
    """A file in a folder of this very teacher, so that what is found there is right."""
    folder = material.folder / hashlib.sha256(b"".join(files(material))).hexdigest()[:12]
    folder.mkdir(exist_ok=True)
    return folder / name


def _onedal_teacher(material: Material) -> Contestant:
    """Both halves converted by the model builders of oneDAL."""
    first, second = _onedal_models(material)

    def predictor(n_threads: int) -> Predictor:
        import daal4py

        def predict(X):
            if daal4py.num_threads() != n_threads:
                daal4py.daalinit(n_threads)
            return (first.predict_proba(X) + second.predict_proba(X)) / 2

        return predict

    return Contestant({str(n): predictor(n) for n in THREADS})


def _onedal_models(material: Material) -> list:
    """Both halves as models of oneDAL."""
    from daal4py import mb

    return [mb.convert_model(half) for half in halves(material)]


def _single_row_teacher(material: Material) -> Contestant:
    """LightGBM's call for a single row, and XGBoost, which has none, by oneDAL."""
    import daal4py

    first, (_, second) = SingleRow(boosters(material)[0], material.X.shape[1]), _onedal_models(material)

    def predict(X):
        if daal4py.num_threads() != 1:
            daal4py.daalinit(1)
        opinion = (first(X) + second.predict_proba(X)[0, 1]) / 2
        return np.array([[1 - opinion, opinion]])

    return Contestant({"1": predict}, most_rows=1)


class SingleRow:
    """The probability that LightGBM gives for a single float32 row, by the function of its library made for that."""

    def __init__(self, booster, n_columns: int):
        from lightgbm.basic import _LIB, _safe_call

        self._booster, self._config = booster, ctypes.c_void_p()  # the library does not own the booster
        float32, normal, all_rounds = ctypes.c_int(0), ctypes.c_int(0), ctypes.c_int(-1)
        _safe_call(
            _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
                booster._handle,
                normal,
                ctypes.c_int(0),
                all_rounds,
                float32,
                ctypes.c_int(n_columns),
                ctypes.c_char_p(b"num_threads=1"),
                ctypes.byref(self._config),
            )
        )
        self._call, self._length, self._answer = (
            _LIB.LGBM_BoosterPredictForMatSingleRowFast,
            ctypes.c_int64(),
            ctypes.c_double(),
        )

    def __call__(self, X) -> float:
        self._call(self._config, ctypes.c_void_p(X.ctypes.data), ctypes.byref(self._length), ctypes.byref(self._answer))
        return self._answer.value


CONVERTED: dict[str, Callable[[Material], Contestant]] = {
    "teacher as ONNX": _onnx_teacher,
    "teacher by TL2cgen": _tl2cgen_teacher,
    "teacher by lleaves and TL2cgen": _lleaves_teacher,
    "teacher by oneDAL": _onedal_teacher,
    "teacher by LightGBM's single-row call and oneDAL": _single_row_teacher,
}
