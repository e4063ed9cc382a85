"""How fast students score, against their teacher, its ONNX and compiled forms, and the reading of memory.

One process, one float32 matrix in and probabilities out, each library by its own Python interface. Contestants take
turns: each rests until the threads that others left spinning are asleep, warms up, then is timed. Where a library
takes a number of threads it is told one and all cores, and the faster of the two counts at each batch size.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import lightgbm
import numpy as np
import onnxruntime
import xgboost
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import ThreadpoolController

from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier, load
from tabkd.evaluation.timing import Predictor, _turn
from tabkd.students import MLPStudent
from tabkd.threads import lightgbm_threads

TEACHER, BOUND, TREE = "teacher", "reading the matrix alone", "tree"
BARE = ", bare session"
# The weights of a network do not change its speed, so that two passes over the rows will do.
STUDENTS = {"MLP": MLPStudent(max_iter=2), TREE: TREE, "boosted trees": "boosted_trees"}
# Each library is told one thread, and as many as there are cores.
THREADS = tuple(sorted({1, os.cpu_count() or 1}))
# Threads of ONNX Runtime, of OpenMP and of BLAS spin for less than this many seconds before they sleep.
_REST = 0.04
# A contestant that takes longer than this over the largest batch is measured on fewer rows.
_LONGEST_RUN = 3.0
# Rows on which the number of threads is chosen, and conversions of the teacher are compared with it.
_TRIAL_ROWS = 10_000
# Different inputs at a batch size, so that no branch is learnt by heart.
_MOST_INPUTS, _MOST_INPUT_ROWS = 500, 100_000


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes
    ----------
    n_estimators : int
        Trees of each half of the teacher.
    n_train, n_synthetic : int
    batch_rows : tuple of int
        Ascending.
    turns : int
        The most of each contestant at a batch size.
    turns_to_choose : int
        The most of each variant.
    seconds : float
        For a batch size, once each contestant has had three turns.
    """

    n_estimators: int
    n_train: int
    n_synthetic: int
    batch_rows: tuple[int, ...]
    turns: int
    turns_to_choose: int
    seconds: float


FULL = Plan(500, 100_000, 40_000, (1, 256, 10_000, 1_000_000), turns=40, turns_to_choose=3, seconds=60)
QUICK = Plan(20, 3_000, 1_000, (1, 2_000), turns=1, turns_to_choose=1, seconds=1)


class Teacher(ClassifierMixin, BaseEstimator):
    """The mean of LightGBM with 63 leaves and XGBoost of depth 6, for two classes, by their scikit-learn interfaces.

    Parameters
    ----------
    n_estimators : int, default=500
        Trees of each.
    """

    def __init__(self, n_estimators=500):
        self.n_estimators = n_estimators

    def fit(self, X, y):
        """Fit both on the matrix `X` (n, d) and its labels `y` (n,), 0 or 1."""
        shared = {"n_estimators": self.n_estimators, "learning_rate": 0.05, "random_state": 0}
        shared["n_jobs"] = lightgbm_threads(None, len(X)) or THREADS[-1]
        self.classes_ = np.unique(y)
        self.estimators_ = (
            lightgbm.LGBMClassifier(num_leaves=63, verbosity=-1, **shared).fit(X, y),
            xgboost.XGBClassifier(max_depth=6, **shared).fit(X, y),
        )
        self.lightgbm_, self.xgboost_ = self.estimators_[0].booster_, self.estimators_[1].get_booster()
        self._on_threads = {n: _on_threads(self.xgboost_, n) for n in THREADS}
        return self

    def predict_proba(self, X, threads=(THREADS[-1], THREADS[-1])):
        """Probabilities (n, 2), with so many threads of LightGBM and of XGBoost, as a user calls both."""
        first, second = self.estimators_
        if second.n_jobs != threads[1]:
            second.set_params(n_jobs=threads[1])
        return (first.predict_proba(X, num_threads=threads[0]) + second.predict_proba(X)) / 2

    def predict_by_boosters(self, X, threads):
        """The same by the two boosters alone, without what scikit-learn's interface checks for each call."""
        half = self.lightgbm_.predict(X, num_threads=threads[0])
        return _two_columns(half, self._on_threads[threads[1]].inplace_predict(X))

    def predict(self, X):
        """The more probable class of each row."""
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]

    @property
    def files(self) -> tuple[bytes, bytes]:
        """Both models as their libraries store them."""
        return self.lightgbm_.model_to_string().encode(), bytes(self.xgboost_.save_raw("ubj"))


@dataclass(frozen=True)
class Material:
    """What contestants are made of; `folder` keeps what takes long to compile."""

    teacher: Teacher
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


def run(output: Path | None, quick: bool) -> str:
    """Measure what `output` does not hold yet; return the table in Markdown.

    Parameters
    ----------
    output : Path or None
        Folder for speed.jsonl, speed.md, speed.png and the compiled teachers.
    quick : bool
        Small models on few rows, to see that everything works.
    """
    plan, runs = (QUICK if quick else FULL), Runs(output, "speed")
    if any(not runs.find(quick=quick, batch_rows=n) for n in plan.batch_rows):
        with _folder(output) as folder:
            _measure(runs, plan, quick, folder)
    records = runs.find(quick=quick)
    if output is not None:
        _plot(records, output / "speed.png")
    return runs.write_table(_table(records, plan) + _notes(records, plan))


def _measure(runs: Runs, plan: Plan, quick: bool, folder: Path) -> None:
    n_rows = max(plan.batch_rows)
    X, y = _simulate(plan.n_train + n_rows)
    teacher = Teacher(plan.n_estimators).fit(X[n_rows:], y[n_rows:])
    material = Material(teacher, X[n_rows:], y[n_rows:], folder, plan.n_synthetic)
    found, absent = _contestants(material)
    X = X[:n_rows]
    for batch_rows in plan.batch_rows:
        key = {"quick": quick, "batch_rows": batch_rows}
        if runs.find(**key):
            continue
        rates = {r["contestant"]: r["rows_per_second"] for r in runs.find(quick=quick) if "rows_per_second" in r}
        for name, result in _speeds(found, X, batch_rows, rates, plan).items():
            runs.add({**key, "contestant": name, "n_bytes": found[name].n_bytes, **result})
        for name, reason in absent.items():
            runs.add({**key, "contestant": name, "error": reason})


def _simulate(n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """30 numeric columns, float32, and two classes."""
    X, y = make_classification(n_rows, 30, n_informative=15, n_redundant=0, class_sep=0.5, random_state=0)
    return X.astype(np.float32), y


# ---- timing


def _speeds(contestants: Mapping[str, Contestant], X, batch_rows: int, rates: Mapping[str, float], plan: Plan) -> dict:
    """Rows per second and latency of each contestant at a batch size."""
    inputs, predictors, facts = _batches(X, batch_rows), {}, {}
    trial = [rows[:_TRIAL_ROWS] for rows in inputs]
    for name, contestant in contestants.items():
        threads = _fastest(contestant.variants, trial, plan.turns_to_choose)
        rows = _affordable(batch_rows, rates.get(name))
        predictors[name] = _head(contestant.variants[threads], rows, batch_rows)
        facts[name] = {"threads": threads, "rows": rows}
    times = _in_turns(predictors, inputs, plan.turns, plan.seconds)
    return {
        name: {
            **facts[name],
            "n_runs": len(found),
            "rows_per_second": facts[name]["rows"] / float(np.median(found)),
            "p50_us": 1e6 * float(np.quantile(found, 0.5)),
            "p99_us": 1e6 * float(np.quantile(found, 0.99)),
        }
        for name, found in times.items()
    }


def _batches(X, batch_rows: int) -> list[np.ndarray]:
    """Different batches, one after the other from the top of the matrix."""
    n = max(1, min(_MOST_INPUTS, _MOST_INPUT_ROWS // batch_rows, len(X) // batch_rows))
    return [X[i * batch_rows : (i + 1) * batch_rows] for i in range(n)]


def _fastest(variants: Mapping[str, Predictor], inputs: list, turns: int) -> str:
    if len(variants) == 1:
        return next(iter(variants))
    times = _in_turns(variants, inputs, turns)
    return min(times, key=lambda name: np.median(times[name]))


def _affordable(batch_rows: int, rate: float | None) -> int:
    """The rows of a batch that are scored in a few seconds at a known rate, in steps of ten thousand."""
    if rate is None or rate * _LONGEST_RUN >= batch_rows:
        return batch_rows
    return min(batch_rows, max(1, round(rate * _LONGEST_RUN / 10_000)) * 10_000)


def _head(predict: Predictor, n_rows: int, batch_rows: int) -> Predictor:
    """A predictor of the first rows of a batch."""
    return predict if n_rows == batch_rows else lambda X: predict(X[:n_rows])


def _in_turns(
    predictors: Mapping[str, Predictor], inputs: list, turns: int, seconds: float = np.inf
) -> dict[str, list[float]]:
    """Seconds of each run of each predictor, in turns; each begins with a rest and a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in predictors}
    end = time.perf_counter() + seconds
    for turn in range(turns):
        if turn >= 3 and time.perf_counter() > end:
            break
        for name, predict in predictors.items():
            time.sleep(_REST)
            times[name] += _turn(predict, inputs, len(times[name]))
    return times


# ---- contestants


def _contestants(material: Material) -> tuple[dict[str, Contestant], dict[str, str]]:
    """Those that could be made, and the reasons why others could not."""
    found, absent = _students(material), {}
    found[TEACHER] = _teacher(material.teacher.predict_proba, material)
    found["teacher by its boosters"] = _teacher(material.teacher.predict_by_boosters, material)
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
    X = material.X[:_TRIAL_ROWS]
    expected = material.teacher.predict_proba(X)
    for predict in contestant.variants.values():
        differences = np.abs(predict(X) - expected).max(axis=1)
        if np.quantile(differences, 0.99) > 1e-5:
            raise ValueError(f"scores differ from the teacher's by up to {differences.max():.2g}")


def _students(material: Material) -> dict[str, Contestant]:
    """Each student by tabkd's scorer, and by a session of ONNX Runtime with its default options."""
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


def _teacher(predict: Callable, material: Material) -> Contestant:
    variants = {f"{a} + {b}": partial(predict, threads=(a, b)) for a, b in product(THREADS, THREADS)}
    return Contestant(variants, sum(map(len, material.teacher.files)))


def _onnx_teacher(material: Material) -> Contestant:
    """Both halves converted by onnxmltools."""
    from onnxmltools import convert_lightgbm, convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    types = [("X", FloatTensorType([None, material.X.shape[1]]))]
    models = (
        convert_lightgbm(material.teacher.lightgbm_, initial_types=types, zipmap=False),
        convert_xgboost(material.teacher.xgboost_, initial_types=types),
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
    text.write_bytes(material.teacher.files[0])
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
        convert = {"lightgbm": treelite.frontend.from_lightgbm, "xgboost": treelite.frontend.from_xgboost}[half]
        model = convert(getattr(material.teacher, f"{half}_"))
        units = max(2, material.teacher.n_estimators // 20)
        # Thresholds as small whole numbers lose nothing, and are several times faster.
        params = {"parallel_comp": units, "quantize": 1}
        tl2cgen.export_lib(model, "gcc", path, params=params, nthread=THREADS[-1])
    return path


def _compiled(material: Material, name: str) -> Path:
    """A file in a folder of this very teacher, so that what is found there is right."""
    folder = material.folder / hashlib.sha256(b"".join(material.teacher.files)).hexdigest()[:12]
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


def _on_threads(booster, n_threads: int):
    copy = booster.copy()
    copy.set_param({"nthread": n_threads})
    return copy


# ---- table and plot


def _table(records: list[dict], plan: Plan) -> list[str]:
    header = ["contestant", *(f"{n:,} rows" if n > 1 else "1 row" for n in plan.batch_rows), "p50", "p99", "bytes"]
    names = dict.fromkeys(record["contestant"] for record in records)
    return markdown(header, [[name, *_cells(records, name, plan)] for name in names])


def _cells(records: list[dict], name: str, plan: Plan) -> list[str]:
    found = {r["batch_rows"]: r for r in records if r["contestant"] == name and "error" not in r}
    teacher = {r["batch_rows"]: r for r in records if r["contestant"] == TEACHER}
    if not found:
        return ["–"] * (len(plan.batch_rows) + 3)
    one_row, last = found[1], next(iter(found.values()))
    speeds = [_ratio(found[n], teacher[n]) if n in found else "–" for n in plan.batch_rows]
    size = "–" if last["n_bytes"] is None else _size(last["n_bytes"])
    return [*speeds, f"{one_row['p50_us']:,.0f} µs", f"{one_row['p99_us']:,.0f} µs", size]


def _ratio(record: dict, teacher: dict) -> str:
    """Times the teacher's rows per second; for the teacher itself, these."""
    if record is teacher:
        return f"{record['rows_per_second']:,.0f}/s"
    star = "" if record["rows"] == record["batch_rows"] else " *"
    return f"{record['rows_per_second'] / teacher['rows_per_second']:,.3g} ×{star}"


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} KB"


def _notes(records: list[dict], plan: Plan) -> list[str]:
    largest = [r for r in records if r["batch_rows"] == plan.batch_rows[-1] and "error" not in r]
    rates = {r["contestant"]: r["rows_per_second"] for r in largest}
    fewer = [f"{r['contestant']} {r['rows']:,}" for r in largest if r["rows"] < r["batch_rows"]]
    errors = {r["contestant"]: r["error"] for r in records if "error" in r}
    return [
        "",
        f"Rows per second as a multiple of the teacher's at each batch size; p50 and p99 are of one row. One or "
        f"{THREADS[-1]} threads, whichever is faster.",
        f"At {plan.batch_rows[-1]:,} rows the tree has {rates[TREE] / rates[BOUND]:.1%} of the rows per second that "
        f"reading the matrix alone has ({rates[BOUND] * 30 * 4 / 1e9:.1f} GB/s).",
        *([f"\\* On fewer rows, for time: {', '.join(fewer)}."] if fewer else []),
        *(f"Not measured: {name} ({reason})." for name, reason in errors.items()),
    ]


def _plot(records: list[dict], path: Path) -> None:
    """Rows per second against batch size, where matplotlib is there."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots()
    colours: dict[str, str] = {}
    for name in dict.fromkeys(r["contestant"] for r in records if "error" not in r):
        found = [r for r in records if r["contestant"] == name and "error" not in r]
        colour = colours.setdefault(name.removesuffix(BARE), f"C{len(colours)}")
        style = "--" if name.endswith(BARE) else "-"
        sizes, rates = [r["batch_rows"] for r in found], [r["rows_per_second"] for r in found]
        axes.loglog(sizes, rates, style, color=colour, marker="o", label=name)
    axes.set(xlabel="rows in a batch", ylabel="rows per second")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=150)


@contextmanager
def _folder(output: Path | None) -> Iterator[Path]:
    """Where models are kept."""
    if output is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
        return
    folder = output / "speed"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n")
    yield folder
