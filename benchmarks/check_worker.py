"""What one version of tabkd does on two small tables, as a line of JSON: `benchmarks.check` runs it as a script."""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

_STUDENTS = ("mlp", "additive", "tree")


def main(seed: int, quick: bool) -> dict[str, float]:
    """The numbers of one seed, by what they measure."""
    found = {"import tabkd: s": _seconds(lambda: __import__("tabkd"))}
    for name, table in _tables(quick).items():
        for student in _STUDENTS:
            numbers = _measured(*table, student, seed, quick)
            found |= {f"{name}, {student}: {what}": value for what, value in numbers.items()}
    return found


def _tables(quick: bool) -> dict[str, tuple]:
    """Columns, labels, the name of the estimator and the teacher of each table."""
    from sklearn.datasets import load_breast_cancer, load_diabetes
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    forest = {"n_estimators": 10 if quick else 100, "min_samples_leaf": 5, "random_state": 0, "n_jobs": 1}
    return {
        "breast_cancer": (
            *load_breast_cancer(return_X_y=True, as_frame=True),
            "DistilledClassifier",
            RandomForestClassifier(**forest),
        ),
        "diabetes": (
            *load_diabetes(return_X_y=True, as_frame=True),
            "DistilledRegressor",
            RandomForestRegressor(**forest),
        ),
    }


def _measured(X, y, estimator: str, teacher, student: str, seed: int, quick: bool) -> dict[str, float]:
    from sklearn.model_selection import train_test_split

    import tabkd

    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed)
    rows = {"n_synthetic": 1000} if quick else {}
    model = getattr(tabkd, estimator)(teacher, student=student, random_state=seed, **rows)
    fit = _seconds(lambda: model.fit(X_train, y_train))
    kept = model.report(X_test, y_test, timing=False).skill_kept
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "student.onnx"
        model.to_onnx(path)
        n_bytes, exported = path.stat().st_size, tabkd.load(path, n_jobs=1)
    score = exported.predict_proba if estimator == "DistilledClassifier" else exported.predict
    many, one = X_test.sample(10_000, replace=True, random_state=0), X_test.iloc[0].to_dict()
    return {
        "fit, s": fit,
        "10,000 rows, s": statistics.median(_seconds(lambda: score(many)) for _ in range(3 if quick else 25)),
        "one row, s": statistics.median(_seconds(lambda: score(one)) for _ in range(20 if quick else 1000)),
        "bytes": float(n_bytes),
        "skill kept": float(kept),
    }


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), sys.argv[2] == "quick")))
