"""Who takes part in the benchmark of speed: students, their teacher, and the teacher converted or compiled.

Where a library takes a number of threads it is told one and all cores, and the faster of the two counts at each batch
size.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import onnxruntime
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import ThreadpoolController

from benchmarks.big_teacher import BigTeacher
from tabkd import DistilledClassifier, load
from tabkd._pace import Predictor
from tabkd.students import MLPStudent, TreeStudent

TEACHER, BOUND, TREE = "teacher", "reading the matrix alone", "tree"
BARE = ", bare session"
# The weights of a network do not change its speed, so that two passes over the rows will do.
# Of depth 6, the same way for every row: how deep the default's 64 leaves lie is another matter on every table.
_TREE = TreeStudent(max_depth=6, max_leaf_nodes=None)
STUDENTS = {"MLP": MLPStudent(max_iter=2), TREE: _TREE, "boosted trees": "boosted_trees"}
# Each library is told one thread, and as many as there are cores.
THREADS = tuple(sorted({1, os.cpu_count() or 1}))
# Rows on which the number of threads is chosen, and conversions of the teacher are compared with it.
TRIAL_ROWS = 10_000


@dataclass(frozen=True)
class Material:
    """What contestants are made of; `folder` keeps what takes long to compile."""

    teacher: BigTeacher
    X: np.ndarray
    y: np.ndarray
    folder: Path
    n_synthetic: int


@dataclass(frozen=True)
class Contestant:
    """A way to score.

    Attributes
    ----------
    variants : dict
        Number of threads to predictor; the fastest at a batch size counts.
    n_bytes : int or None
        Of the files that it is stored in.
    """

    variants: Mapping[str, Predictor]
    n_bytes: int | None = None


def contestants(material: Material) -> tuple[dict[str, Contestant], dict[str, str]]:
    """Those that could be made, and the reasons why others could not."""
    found, absent = _students(material), {}
    found[TEACHER] = _teacher(material)
    found["teacher by its boosters"] = _boosters(material)
    for name, make in CONVERTED.items():
        try:
            found[name] = make(material)
            _check(found[name], material)
        except Exception as error:  # a library that is not there, or not up to these models, has errors of its own
            found.pop(name, None)
            absent[name] = f"{type(error).__name__}: {error}".split("\n", 1)[0]
    found["scikit-learn MLP"] = _sklearn_mlp(material)
    found[BOUND] = Contestant({str(n): _reading(n) for n in THREADS})
    return found, absent


def _check(contestant: Contestant, material: Material) -> None:
    """Refuse a conversion that does not score as the teacher does, in all but a few rows that lie on a threshold."""
    X = material.X[:TRIAL_ROWS]
    expected = material.teacher.predict_proba(X)
    for predict in contestant.variants.values():
        differences = np.abs(predict(X) - expected).max(axis=1)
        if np.quantile(differences, 0.99) > 1e-5:
            raise ValueError(f"scores differ from the teacher's by up to {differences.max():.2g}")


def _students(material: Material) -> dict[str, Contestant]:
    """Each student by tabkd's exported, and by a session of ONNX Runtime with its default options."""
    found = {}
    for name, student in STUDENTS.items():
        model = DistilledClassifier(
            FrozenEstimator(material.teacher), student=student, n_synthetic=material.n_synthetic, random_state=0
        ).fit(material.X, material.y)
        path = material.folder / f"{name}.onnx"
        model.to_onnx(path)
        n_bytes = path.stat().st_size
        found[name] = Contestant({"default": load(path).predict_proba}, n_bytes)
        bare = _bare(onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]))
        found[f"{name}{BARE}"] = Contestant({"default": bare}, n_bytes)
    return found


def _bare(session) -> Predictor:
    """The probabilities of a session that takes one matrix."""
    (matrix,) = session.get_inputs()
    return lambda X: session.run(["probabilities"], {matrix.name: X})[0]


def _teacher(material: Material) -> Contestant:
    """The teacher as a user calls it, by the interface of scikit-learn."""
    first, second = material.teacher.lightgbm_, material.teacher.xgboost_

    def predictor(threads: tuple[int, int]) -> Predictor:
        def predict(X):
            if second.n_jobs != threads[1]:
                second.set_params(n_jobs=threads[1])
            return (first.predict_proba(X, num_threads=threads[0]) + second.predict_proba(X)) / 2

        return predict

    return _on_two_pools(predictor, material)


def _boosters(material: Material) -> Contestant:
    """The two boosters alone, without what scikit-learn's interface checks for each call."""
    first, second = _halves(material)
    copies = {n: second.copy() for n in THREADS}
    for n, copy in copies.items():
        copy.set_param({"nthread": n})

    def predictor(threads: tuple[int, int]) -> Predictor:
        booster = copies[threads[1]]
        return lambda X: _two_columns(first.predict(X, num_threads=threads[0]), booster.inplace_predict(X))

    return _on_two_pools(predictor, material)


def _on_two_pools(predictor: Callable[[tuple[int, int]], Predictor], material: Material) -> Contestant:
    """A predictor for each number of threads of LightGBM and of XGBoost."""
    variants = {f"{a} + {b}": predictor((a, b)) for a, b in product(THREADS, THREADS)}
    return Contestant(variants, sum(map(len, _files(material))))


def _halves(material: Material) -> tuple:
    """The boosters of LightGBM and of XGBoost."""
    return material.teacher.lightgbm_.booster_, material.teacher.xgboost_.get_booster()


def _files(material: Material) -> tuple[bytes, bytes]:
    """Both halves as their libraries store them."""
    first, second = _halves(material)
    return first.model_to_string().encode(), bytes(second.save_raw("ubj"))


def _onnx_teacher(material: Material) -> Contestant:
    """Both halves converted by onnxmltools."""
    from onnxmltools import convert_lightgbm, convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    types = [("X", FloatTensorType([None, material.X.shape[1]]))]
    first, second = _halves(material)
    models = (
        convert_lightgbm(first, initial_types=types, zipmap=False),
        convert_xgboost(second, initial_types=types),
    )
    files = [model.SerializeToString() for model in models]
    variants = {str(n): _mean_of(*(_bare(_session(file, n)) for file in files)) for n in THREADS}
    return Contestant(variants, sum(map(len, files)))


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
            return _two_columns(first.predict(matrix).ravel(), second.predict(matrix).ravel())

        return predict

    return Contestant({str(n): predictor(n) for n in THREADS}, sum(path.stat().st_size for path in paths))


def _lleaves_teacher(material: Material) -> Contestant:
    """LightGBM compiled by lleaves, and XGBoost from C, which lleaves does not take."""
    import lleaves
    import tl2cgen

    text, path = material.folder / "lightgbm.txt", _tl2cgen_library("xgboost", material)
    text.write_bytes(_files(material)[0])
    cache = _compiled(material, "lleaves.o")
    model = lleaves.Model(model_file=str(text))
    model.compile(cache=str(cache))

    def predictor(n_threads: int) -> Predictor:
        second = tl2cgen.Predictor(path, nthread=n_threads)
        return lambda X: _two_columns(model.predict(X, n_jobs=n_threads), second.predict(tl2cgen.DMatrix(X)).ravel())

    return Contestant({str(n): predictor(n) for n in THREADS}, cache.stat().st_size + path.stat().st_size)


def _tl2cgen_library(half: str, material: Material) -> Path:
    """The shared library of one half of the teacher, compiled by gcc where it is not there yet."""
    import tl2cgen
    import treelite

    path = _compiled(material, f"{half}.so")
    if not path.exists():
        first, second = _halves(material)
        frontend = treelite.frontend
        model = frontend.from_lightgbm(first) if half == "lightgbm" else frontend.from_xgboost(second)
        units = max(2, material.teacher.n_estimators // 20)
        # Thresholds as small whole numbers lose nothing, and are several times faster.
        params = {"parallel_comp": units, "quantize": 1}
        tl2cgen.export_lib(model, "gcc", path, params=params, nthread=THREADS[-1])
    return path


def _compiled(material: Material, name: str) -> Path:
    """A file in a folder of this very teacher, so that what is found there is right."""
    folder = material.folder / hashlib.sha256(b"".join(_files(material))).hexdigest()[:12]
    folder.mkdir(exist_ok=True)
    return folder / name


CONVERTED: dict[str, Callable[[Material], Contestant]] = {
    "teacher as ONNX": _onnx_teacher,
    "teacher by TL2cgen": _tl2cgen_teacher,
    "teacher by lleaves and TL2cgen": _lleaves_teacher,
}


def _sklearn_mlp(material: Material) -> Contestant:
    """A network of the default student's size, which stops early: its speed does not depend on what it has learnt."""
    network = MLPClassifier((64, 32), tol=1.0, n_iter_no_change=1, random_state=0)
    model = make_pipeline(StandardScaler(), network).fit(material.X, material.y)
    blas = ThreadpoolController().select(user_api="blas")

    def predictor(n_threads: int) -> Predictor:
        def predict(X):
            with blas.limit(limits=n_threads):
                return model.predict_proba(X)

        return predict

    return Contestant({str(n): predictor(n) for n in THREADS}, len(pickle.dumps(model)))


def _reading(n_threads: int) -> Predictor:
    """The largest value of the matrix: nothing that looks at every value can be faster."""
    if n_threads == 1:
        return np.max
    pool = ThreadPoolExecutor(n_threads)
    return lambda X: max(pool.map(np.max, (part for part in np.array_split(X, n_threads) if len(part))))


def _two_columns(first, second) -> np.ndarray:
    """Probabilities of both classes, from two opinions of the second."""
    mean = (first + second) / 2
    return np.column_stack([1 - mean, mean])
