"""Who takes part in the benchmark of speed: students, their teacher, and the teacher converted or compiled.

Where a library takes a number of threads it is told one and all cores, and the faster of the two counts at each batch
size.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import onnxruntime
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import ThreadpoolController

from benchmarks.contestant import THREADS, Contestant, Material, bare, boosters, files, halves, two_columns
from benchmarks.speed_converted import converted
from tabkd import DistilledClassifier, load
from tabkd._pace import Predictor
from tabkd.students import MLPStudent, TreeStudent

TEACHER, BOUND, MLP, TREE = "teacher", "reading the matrix alone", "MLP", "tree"
YGGDRASIL = "Yggdrasil, trees of its own as many as the teacher's"
BARE = ", bare session"
# The weights of a network do not change its speed, so that two passes over the rows will do.
# Of depth 6, the same way for every row: how deep the default's 64 leaves lie is another matter on every table.
_TREE = TreeStudent(max_depth=6, max_leaf_nodes=None)
STUDENTS = {MLP: MLPStudent(max_iter=2), "additive": "additive", TREE: _TREE, "boosted trees": "boosted_trees"}


def contestants(material: Material) -> tuple[dict[str, Contestant], dict[str, str]]:
    """Those that could be made, and the reasons why others could not."""
    compiled, absent = converted(material)
    found = _students(material)
    found[TEACHER] = _teacher(material)
    found["teacher by its boosters"] = _boosters(material)
    found |= compiled
    try:
        found[YGGDRASIL] = _yggdrasil(material)
    except ImportError as error:
        absent[YGGDRASIL] = f"{type(error).__name__}: {error}"
    found["scikit-learn MLP"] = _sklearn_mlp(material)
    found[BOUND] = Contestant({str(n): _reading(n) for n in THREADS})
    return found, absent


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
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        found[f"{name}{BARE}"] = Contestant({"default": bare(session)}, n_bytes)
    return found


def _teacher(material: Material) -> Contestant:
    """The teacher as a user calls it, by the interface of scikit-learn."""
    first, second = halves(material)

    def predictor(threads: tuple[int, int]) -> Predictor:
        def predict(X):
            if second.n_jobs != threads[1]:
                second.set_params(n_jobs=threads[1])
            return (first.predict_proba(X, num_threads=threads[0]) + second.predict_proba(X)) / 2

        return predict

    return _on_two_pools(predictor, material)


def _boosters(material: Material) -> Contestant:
    """The two boosters alone, without what scikit-learn's interface checks for each call."""
    first, second = boosters(material)
    copies = {n: second.copy() for n in THREADS}
    for n, copy in copies.items():
        copy.set_param({"nthread": n})

    def predictor(threads: tuple[int, int]) -> Predictor:
        booster = copies[threads[1]]
        return lambda X: two_columns(first.predict(X, num_threads=threads[0]), booster.inplace_predict(X))

    return _on_two_pools(predictor, material)


def _on_two_pools(predictor: Callable[[tuple[int, int]], Predictor], material: Material) -> Contestant:
    """A predictor for each number of threads of LightGBM and of XGBoost."""
    variants = {f"{a} + {b}": predictor((a, b)) for a, b in product(THREADS, THREADS)}
    return Contestant(variants, sum(map(len, files(material))))


def _yggdrasil(material: Material) -> Contestant:
    """Boosted trees of Yggdrasil, as many as the teacher has, which cannot take a model of another library."""
    import ydf

    learner = ydf.GradientBoostedTreesLearner(
        label="y",
        num_trees=2 * halves(material)[0].n_estimators,
        max_depth=6,
        shrinkage=0.05,
        validation_ratio=0.0,
        early_stopping="NONE",
    )
    model = learner.train({"x": material.X, "y": material.y}, verbose=0)

    def predictor(n_threads: int) -> Predictor:
        return lambda X: model.predict({"x": X}, num_threads=n_threads)

    return Contestant({str(n): predictor(n) for n in THREADS}, len(model.serialize()))


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
