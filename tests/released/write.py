"""Write what `test_released.py` scores for ever: students of this version, rows, and their scores.

.venv/bin/python -m tests.released.write
"""

import json
import math
from pathlib import Path

from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.pipeline import make_pipeline

from tabkd import DistilledClassifier, DistilledRegressor, ExportedStudent, __version__
from tabkd._cli.table_codes import TableCodes
from tests.small_students import small_students
from tests.small_tables import mixed_frame, targets

HERE = Path(__file__).parent
TASKS = ("binary", "multiclass", "regression", "two targets")
SMALL = {
    "mlp": {"hidden_layer_sizes": (8,), "n_knots": 16, "max_units": 48, "max_iter": 3},
    "additive": {"n_knots": 16, "n_pairs": 2, "max_iter": 3},
    "tree": {"max_leaf_nodes": 8},
    "boosted_trees": {"n_estimators": 4},
}


def main() -> None:
    folder = HERE / __version__
    folder.mkdir()
    rows = rows_of_every_kind()
    scores = {}
    for name, student in {**small_students(**SMALL), "mlp of bytes": one_byte()}.items():
        for task in TASKS:
            exported = fitted(student, task)
            file = f"{name} {task}.onnx"
            (folder / file).write_bytes(exported.content)
            scores[file] = found(exported, rows)
    (folder / "rows.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    (folder / "scores.json").write_text(json.dumps(scores), encoding="utf-8")


def one_byte():
    return small_students(mlp=SMALL["mlp"] | {"weight_bits": 8})["mlp"]


def fitted(student, task) -> ExportedStudent:
    """A student of a small table, with contributions where they are short."""
    frame, kind, forest = mixed_frame(300), DistilledRegressor, RandomForestRegressor
    if task in TASKS[:2]:
        kind, forest = DistilledClassifier, RandomForestClassifier
    teacher = make_pipeline(TableCodes(), forest(5, random_state=0))
    model = kind(teacher, student=student, n_synthetic=1000, random_state=0).fit(frame, targets(frame, task))
    return ExportedStudent(model.to_onnx(contributions=task == "binary").SerializeToString())


def rows_of_every_kind() -> list[dict]:
    """Rows of the table, some with missing values, unseen categories and numbers far away."""
    rows = [{name: plain(value) for name, value in row.items()} for row in mixed_frame(40, seed=1).to_dict("records")]
    odd = {"shop": "cars"}, {"amount": 1e30}, {"amount": -1e6, "age": None}, {"grade": 9}
    for row, changes in zip(rows, odd, strict=False):
        row.update(changes)
    return rows


def plain(value):
    """A value of a frame as JSON has it."""
    if value is None or value != value or str(value) == "<NA>":
        return None
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value


def found(exported: ExportedStudent, rows: list[dict]) -> dict:
    """What a file says of rows."""
    is_classifier = exported.metadata["task"] == "classification"
    scores = exported.predict_proba(rows) if is_classifier else exported.predict(rows)
    further = {name: exported.output(rows, name).tolist() for name in exported.further_outputs_}
    return {"predictions": exported.predict(rows).tolist(), "scores": scores.tolist(), "further": further}


if __name__ == "__main__":
    main()
