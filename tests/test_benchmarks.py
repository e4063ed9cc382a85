"""The benchmarks' own parts: what is resumed, how tables are split, and that the documents show what was measured."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.utils import Bunch

from benchmarks import additive, apart, deviance, rivals, search, teachers, weights
from benchmarks.answers import Answer, losses, measures
from benchmarks.doubt import coverage
from benchmarks.monotone import breaks, natural_directions
from benchmarks.problems import Problem, Split, problems
from benchmarks.reasons import agreement, sampled
from benchmarks.runs import Runs
from tabkd import DistilledRegressor
from tabkd.students import TreeStudent

ROOT = Path(__file__).parents[1]


def test_finished_runs_are_not_done_again(tmp_path):
    Runs(tmp_path, "r").once({"table": "a"}, lambda: {"loss": np.float32(0.5), "gap": float("nan")})
    again = Runs(tmp_path, "r")
    assert again.once({"table": "a"}, lambda: pytest.fail("done twice")) == {"table": "a", "loss": 0.5, "gap": None}


def test_a_run_that_was_killed_while_it_wrote_is_done_again(tmp_path):
    runs = Runs(tmp_path, "r")
    runs.add({"table": "a"})
    runs.path.write_text(runs.path.read_text() + '{"table": "b", "lo')
    again = Runs(tmp_path, "r")
    assert again.records == [{"table": "a"}]
    again.add({"table": "b"})
    assert [json.loads(line)["table"] for line in again.path.read_text().splitlines()] == ["a", "b"]


@pytest.fixture
def folder(tmp_path):
    frame = pd.DataFrame({"x": np.arange(100), "target": np.arange(100) % 2})
    for name in ("plain", "dated"):
        frame.to_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "MANIFEST.csv").write_text("name,task,notes\nplain,binary,\ndated,binary,rows in time order\n")
    return tmp_path


def test_later_rows_test_what_earlier_ones_taught(folder):
    plain, dated = problems(folder, None, 80)
    assert (plain.in_time_order, dated.in_time_order) == (False, True)
    for seed in range(3):
        split = dated.split(seed)
        assert split.X_train["x"].max() < split.X_test["x"].min()
    assert dated.split(0).X_test["x"].max() > dated.split(1).X_test["x"].max()
    assert plain.split(0).X_train["x"].max() > plain.split(0).X_test["x"].min()


@pytest.mark.parametrize("in_time_order", [True, False])
def test_a_class_that_only_test_rows_have_is_left_out(in_time_order):
    y = np.array(["a", "b"] * 40 + ["rare"])
    problem = Problem("p", "classification", pd.DataFrame({"x": np.arange(81.0)}), y, in_time_order)
    splits = [problem.split(seed) for seed in range(20)]
    alone = [split for split in splits if "rare" not in split.classes]
    assert alone
    assert all(set(split.y_test) == {"a", "b"} for split in alone)


def test_unknown_tables_are_named(folder):
    with pytest.raises(SystemExit, match=r"does not list \['other'\]"):
        list(problems(folder, ["other"], 80))


def test_tables_of_openml(monkeypatch):
    """The one thing here that is not real: the tests need no network."""
    asked = []

    def fetch(name, **options):
        asked.append((name, options["version"]))
        X = pd.DataFrame({"x": np.arange(120.0)})
        return Bunch(data=X, target=X["x"] if name == "prices" else pd.Series(["a", "b"] * 60, dtype="category"))

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)
    prices, kinds = problems(None, ["prices", "kinds:3"], 80, openml=True)
    assert asked == [("prices", 1), ("kinds", 3)]
    assert (prices.task, kinds.task) == ("regression", "classification")
    assert prices.y.dtype == np.float64
    assert list(kinds.split(0).classes) == ["a", "b"]


def test_the_teacher_keeps_all_of_its_skill():
    rng = np.random.default_rng(0)
    X, y = pd.DataFrame({"x": rng.normal(size=400)}), rng.integers(0, 2, 400)
    split = Problem("p", "classification", X, y).split(0)
    scores = np.column_stack([1 - split.y_test, split.y_test]) * 0.8 + 0.1
    found = measures(split, Answer(scores).scores, scores)
    assert found["kept"] == pytest.approx(1)
    assert found["loss"] == pytest.approx(-np.log(0.9))
    assert found["kl"] == pytest.approx(0)


def test_the_documents_show_what_was_measured():
    pages = ["README.md", "docs/benchmarks.md"]
    subprocess.run([sys.executable, "docs/include.py", "--check", *pages], cwd=ROOT, env=os.environ, check=True)


def test_every_lever_makes_a_student_that_keeps_skill(tmp_path, monkeypatch):
    from sklearn.datasets import load_breast_cancer, load_diabetes

    from benchmarks import ablation
    from tabkd.students import MLPStudent

    short = {}
    for name, changed in ablation.VARIANTS.items():
        student = changed.get("student", MLPStudent())
        if type(student).__module__ == "benchmarks.levers" or name.endswith(("default", "gains")):
            if isinstance(student, MLPStudent):
                # A wider network would need more passes.
                student = clone(student).set_params(max_iter=20, hidden_layer_sizes=(64, 32))
            short[name] = {**changed, "student": student, "n_synthetic": 20}
    assert len(short) == 18
    monkeypatch.setattr(ablation, "VARIANTS", short)
    tables = []
    for task, load in (("classification", load_breast_cancer), ("regression", load_diabetes)):
        X, y = load(return_X_y=True)
        tables.append(Problem(load.__name__, task, pd.DataFrame(X), y))
    written = ablation.run(tables, 1, Runs(tmp_path, "ablation"))
    runs = pd.read_json(tmp_path / "ablation.jsonl", lines=True)
    assert len(runs) == 2 * len(short) - 2  # two losses are of probabilities
    assert runs["kept"].min() > 0.5
    assert all(f"| {name} |" in written for name in short)


def test_a_contestant_that_lacks_a_split_is_compared_on_those_that_it_has():
    from benchmarks.fidelity import STUDENT, TEACHER
    from benchmarks.fidelity_tables import kept, rivals, summary

    def record(seed, contestant, loss):
        return {"table": "t", "seed": seed, "contestant": contestant, "loss": loss, "prior_loss": 1.0, "n_bytes": 1}

    # The second split is harder for all; the rival, as good as the student, was not asked.
    records = [record(0, TEACHER, 0.5), record(0, STUDENT, 0.6), record(0, "scikit-learn MLP", 0.6)]
    records += [record(1, TEACHER, 0.9), record(1, STUDENT, 0.92)]
    shares = kept(pd.DataFrame(records)).loc["t"]
    assert shares.round(6).to_dict() == {TEACHER: 1.0, STUDENT: 0.8, "scikit-learn MLP": 0.8}
    assert rivals(pd.DataFrame(records))[2].startswith("| scikit-learn MLP | 0 of 1 | +0.0% |")
    ranks = {line.split("|")[1].strip(): float(line.split("|")[2]) for line in summary(pd.DataFrame(records))[2:]}
    assert ranks == {TEACHER: 1.0, STUDENT: 2.5, "scikit-learn MLP": 2.5}


def test_a_weak_teacher_is_left_out_of_the_table_of_few_labels():
    from benchmarks.few_labels import table

    def record(name, teacher, random, chosen):
        return {"table": name, "labels": 4000, "prior": 1.0, "teacher": teacher, "random": random, "chosen": chosen}

    lines = table([record("t", 0.5, 0.6, 0.55), record("t", 0.7, 0.72, 0.73), record("weak", 0.99, 0.5, 0.1)])
    assert lines[2] == "| t | 85.0% | +5.0% |"
    assert lines[3].startswith("| **median** | 85.0% | +5.0%; better on 1 of 1 |")
    assert lines[-1].startswith("- weak is left out")


def test_constraints_of_the_monotone_benchmark_follow_the_training_rows():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(400, 3)), columns=["up", "down", "noise"]).assign(same=1.0, town="a")
    y = (X["up"] - X["down"]).to_numpy()
    split = Split("t", "regression", 0, X[:300], X[300:], y[:300], y[300:])
    assert {name: natural_directions(split)[name] for name in ("up", "down")} == {"up": 1, "down": -1}
    assert not {"same", "town"} & set(natural_directions(split))


def test_the_monotone_benchmark_counts_rows_that_go_against_a_direction():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(400, 2)), columns=["up", "down"])
    y = (X["up"] - X["down"]).to_numpy()
    split = Split("t", "regression", 0, X[:300], X[300:], y[:300], y[300:])
    model = DistilledRegressor(LinearRegression(), student=LinearRegression(), n_synthetic=100).fit(X[:300], y[:300])
    assert breaks(model, split, {"up": 1, "down": -1}) == (0.0, 0.0)
    share, largest = breaks(model, split, {"up": -1})
    assert share == 1
    assert largest > 0.01


def test_the_deviance_benchmark_measures_losses_that_a_table_allows_once(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.normal(size=600), "town": rng.choice(["a", "b"], 600)})
    claims = Problem("claims", "regression", X, rng.poisson(np.exp(X["age"] + 2)).astype(float))
    below = Problem("below", "regression", X, X["age"].to_numpy())
    runs = Runs(tmp_path, "deviance")
    settings = {"teachers": ["lightgbm", "xgboost"], "students": ["tree"], "quick": True}
    text = deviance.run([claims, below], 1, runs, **settings)
    assert "below has no values" in capsys.readouterr().err
    assert [(r["loss"], r["teacher"]) for r in runs.records] == [
        (loss, teacher) for loss in ("poisson", "tweedie") for teacher in ("lightgbm", "xgboost")
    ]
    assert all(r["smallest"] > 0 and r["not_above_zero"] == 0 and r["kept"] > 0.5 for r in runs.records)
    assert "**median of 2** | poisson |  | tree" in text
    monkeypatch.setattr(deviance, "_measure", lambda *_: pytest.fail("done twice"))
    assert deviance.run([claims], 1, runs, **settings) == text


def test_coverage_is_the_share_of_fresh_rows_within_the_stated_points():
    rng = np.random.default_rng(0)
    student = rng.normal(size=(4000, 1))
    teacher = student + rng.normal(scale=0.1, size=student.shape)
    found = coverage(student, teacher, "regression", np.sort(student[:, 0]), n_divisions=20)
    for level, share in (("50%", 0.5), ("90%", 0.9), ("99%", 0.99)):
        assert found[f"within_{level}"] == pytest.approx(share, abs=0.02)
        assert found[f"lowest_{level}"] <= found[f"within_{level}"]
        assert found[f"silent_{level}"] == 0
    assert found["width_90%"] == pytest.approx(1.645 * 0.1 / teacher.std(), rel=0.1)
    few = coverage(student[:60], teacher[:60], "regression", np.sort(student[:, 0]), n_divisions=20)
    assert few["silent_99%"] == 1
    assert np.isnan(few["within_99%"])


def test_sampled_contributions_are_those_of_shap():
    shap = pytest.importorskip("shap")
    X = np.random.default_rng(0).normal(size=(300, 5))
    student = TreeStudent(random_state=0).fit(X, X[:, 0] * X[:, 1] + (X[:, 2] > 0) * X[:, 3])
    explainer = shap.explainers.Exact(
        lambda codes: student.raw_scores(codes)[:, 0], shap.maskers.Independent(student.background_, max_samples=256)
    )
    expected = explainer(X[:6]).values
    np.testing.assert_allclose(sampled(student, X[:6], 2048)[:, 0], expected, atol=0.1 * expected.std())


def test_sampled_contributions_are_near_exact_ones_and_agreement_is_one_at_best():
    X = np.random.default_rng(0).normal(size=(300, 5))
    student = TreeStudent(random_state=0).fit(X, X[:, 0] * X[:, 1] + (X[:, 2] > 0) * X[:, 3])
    exact = student.explain_codes(X[:6])
    np.testing.assert_allclose(sampled(student, X[:6], 2048), exact, atol=0.1 * exact.std())
    assert agreement(exact, exact) == pytest.approx((1.0, 1.0))
    assert agreement(-exact, exact)[0] == pytest.approx(-1.0)


def test_levers_keep_monotone_constraints():
    from benchmarks.levers import Averaged, WithBrier

    X = np.random.default_rng(0).uniform(size=(300, 2))
    chance = np.abs(X[:, 0] - 0.5) + X[:, 1] / 2
    for kind in (WithBrier, Averaged):
        student = kind(monotonic_cst=[1, 0], max_iter=5, random_state=0).fit(X, np.column_stack([1 - chance, chance]))
        assert student.proved_monotone().tolist() == [1, 0]


def test_the_additive_benchmark_measures_each_contestant_once(tmp_path, monkeypatch):
    monkeypatch.setattr(additive, "find_spec", lambda name: None)
    names = [additive.TEACHER, *additive.STUDENTS]
    runs = Runs(tmp_path, "additive")
    text = additive.run(problems(None, ["diabetes"], 200), 1, runs, quick=True)
    assert [record["contestant"] for record in runs.records] == names
    assert runs.records[0]["kept"] == 1
    assert runs.records[-1]["n_bytes"] > 1000
    assert runs.records[-1]["times_mlp_1"] > 0
    assert "**median of 1** | tabkd additive |" in text
    monkeypatch.setattr(additive, "_measured", lambda *_: pytest.fail("done twice"))
    assert additive.run(problems(None, ["diabetes"], 200), 1, runs, quick=True) == text


def test_a_call_that_takes_less_time_is_faster():
    found = additive.speedup(lambda X: None, lambda X: time.sleep(0.01), pd.DataFrame(), 3)
    assert found > 5


@pytest.mark.filterwarnings("ignore:Missing values detected")  # they are missing from its drawings only
def test_an_ebm_takes_missing_values_and_categories():
    pytest.importorskip("interpret")
    X = pd.DataFrame({"x": [1.0, np.nan, 3.0, 4.0] * 25, "level": ["a", None, "b", "a"] * 25})
    split = Split("t", "classification", 0, X, X, np.array([0, 1, 1, 0] * 25), np.array([0, 1, 1, 0] * 25))
    predict, n_bytes, rows = additive.fitted_ebm(split)
    assert (predict(rows).argmax(axis=1) == split.y_test).mean() > 0.9
    assert n_bytes > 1000


def test_a_table_without_a_student_within_the_budget_keeps_nothing_in_the_median_of_searches():
    numbers = {"kept": 0.99, "n_bytes": 18_000, "cpu_seconds": 30.0, "student": "tree"}
    default = {"kept": 1.0, "n_bytes": 60_000, "cpu_seconds": 10.0, "student": "mlp", "default": "", "name": "default"}
    found = [
        {"table": "a", "name": "search", **numbers, "default": "on it"},
        {"table": "b", "name": "search", **numbers, "default": "behind mlp: weight_bits 8"},
        {"table": "c", "name": "search", **numbers, "default": "–", "kept": None, "n_bytes": None},
    ]
    records = found + [{"table": name, **default} for name in "abc"]
    lines = search.table(pd.DataFrame(records))
    assert lines[3].split(" | ")[-1] == "behind mlp: weight_bits 8 |"
    assert lines[4] == "| c | tree | – | – | 100.0% | 60.0 KB | 3.0 × | – |"
    assert lines[-1] == "| **median of 3** |  | 99.0% | 18.0 KB | 100.0% | 60.0 KB | 3.0 × | on it 1 times |"
    only_c = search.table(pd.DataFrame([record for record in records if record["table"] in "bc"]))
    assert "| 49.5% |" in only_c[-1]


def test_weights_are_measured_in_each_kind_of_file():
    text = weights.run(problems(None, ["diabetes"], 200), Runs(None, "weights"), quick=True)
    kinds = [line.split(" | ")[1] for line in text.splitlines()[2:]]
    assert kinds == [weights.FLOAT32, weights.ONE_BYTE, weights.STATIC]


def test_what_is_kept_with_the_teachers_own_answers_is_measured_where_others_were_learnt():
    table = next(iter(problems(None, ["breast_cancer"], 300)))
    wrong = np.random.default_rng(0).random(len(table.y)) < 0.2  # labels without noise are learnt as they are
    table = dataclasses.replace(table, y=np.where(wrong, 1 - table.y, table.y))
    runs = Runs(None, "teachers")
    teachers.run([table], 1, runs, ["forest, 1 row a leaf"])
    (record,) = runs.records
    assert record["own_source"] == "out-of-bag"
    assert record["kept"] != record["kept_as_it_is"]


def test_only_teachers_with_skill_count_in_the_summary():
    common = {"table": "a", "seed": 0, "own_source": "teacher", "skill_of_student": 0.5}
    records = [
        {**common, "teacher": "forest", "kept": 0.99, "kept_as_it_is": 0.9, "skill_of_teacher": 0.5},
        {**common, "teacher": "stack", "kept": 0.97, "kept_as_it_is": 0.8, "skill_of_teacher": 0.5},
        {**common, "teacher": "networks", "kept": 0.1, "kept_as_it_is": 0.1, "skill_of_teacher": 0.05},
    ]
    assert teachers.table(pd.DataFrame(records))[-1] == (
        "2 pairs have a teacher that is better than the prior by 10%. 98.0% is kept in the median, 97.0% at least; "
        "100% keep 95.0%, 100% keep 97.0%, 0% keep 99.5%. With the teacher's own answers: 85.0% is kept in the median, "
        "80.0% at least; 0% keep 95.0%, 0% keep 97.0%, 0% keep 99.5%."
    )


def mixed_split(task="classification"):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.normal(size=400), "town": pd.Categorical(rng.choice(["a", "b"], 400))})
    y = np.where(X["age"] + (X["town"] == "a") + rng.normal(scale=0.3, size=400) > 0, "yes", "no")
    return Problem("t", task, X, y if task == "classification" else X["age"].to_numpy()).split(0)


@pytest.mark.parametrize(
    ("name", "module"), [("catboost", "catboost"), ("ebm", "interpret"), ("sklearn_mlp", "sklearn")]
)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_rivals_answer_for_the_test_rows(name, module, task):
    pytest.importorskip(module)
    split = mixed_split(task)
    answer = getattr(rivals, name)(split)
    of_constant = np.full(len(split.y_test), split.y_train.mean()) if task == "regression" else np.full((100, 2), 0.5)
    assert answer.n_bytes > 500
    assert losses(split, answer.scores).mean() < 0.95 * losses(split, of_constant).mean()


def test_a_contestant_apart_gets_the_rows_and_gives_scores_for_each_class(tmp_path):
    worker = tmp_path / "worker.py"
    worker.write_text(
        """
import json, sys
from pathlib import Path
import numpy as np
import pyarrow.parquet as pq
folder = Path(sys.argv[1])
task = json.loads((folder / "task.json").read_text())
train, test = (pq.read_table(folder / f"{part}.parquet").to_pandas() for part in ("train", "test"))
if task["fail"]:
    sys.exit("no luck")
np.savez(folder / "scores.npz", classes=np.array([1]), mine=np.full((len(test), 1), train[task["label"]].mean()))
(folder / "costs.json").write_text(json.dumps({"mine": {"n_bytes": 7, "seconds": 0.5}}))
"""
    )
    split = mixed_split()
    answer = apart.answers(split, Path(sys.executable), worker, {"fail": False})["mine"]
    assert (answer.n_bytes, answer.seconds) == (7, 0.5)
    assert answer.scores == pytest.approx(np.tile([0, (split.y_train == "yes").mean()], (100, 1)))
    with pytest.raises(RuntimeError, match=r"worker.py failed on t with status 1:\nno luck"):
        apart.answers(split, Path(sys.executable), worker, {"fail": True})


def test_an_environment_apart_is_made_once(tmp_path, monkeypatch):
    (tmp_path / "requirements.txt").write_text("one\ntwo")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("made twice"))
    assert apart.environment(tmp_path, ["one", "two"], "luck").parts[-2:] == ("bin", "python")


def test_students_of_autogluons_ensemble_are_compared_with_its_own_and_with_our_teacher():
    from benchmarks import autogluon_teacher
    from benchmarks.fidelity import DEFAULT_TEACHER, STUDENT, TEACHER

    runs = Runs(None, "strongest")
    losses_of = {TEACHER: 0.3, STUDENT: 0.31, "AutoGluon GBM student": 0.4, DEFAULT_TEACHER: 0.32}
    for table, shift in (("a", 0.0), ("b", 0.02)):
        for name, loss in losses_of.items():
            better = loss - shift * (name == DEFAULT_TEACHER)
            ends = {"kept_low": None, "kept_high": None, "n_bytes": None if name == TEACHER else 9000}
            record = {"table": table, "seed": 0, "contestant": name, "loss": better, "prior_loss": 0.7, **ends}
            runs.add(record | {"preset": "medium", "time_limit": 60})
    text = autogluon_teacher.write(runs, "medium", 60)
    assert "| table | tabkd MLP | AutoGluon GBM student | our default teacher | file of the MLP |" in text
    assert "The MLP keeps 97.5% in the median of 2 tables, 97.5% at least." in text
    assert "It is better than our default teacher on 1 of 2." in text
    assert "| AutoGluon GBM student | 2 of 2 | +22.5% |" in text
    assert "| tabkd MLP | 9 KB |" in text


def test_a_change_is_clearly_worse_from_a_bound_on():
    from benchmarks.check import table

    before = [{"fit, s": 1.0, "bytes": 1000.0, "skill kept": 1.0, "old": 1.0}] * 3
    fine = [{"fit, s": 1.1, "bytes": 900.0, "skill kept": 0.998, "new": 1.0}] * 2 + [{"fit, s": 9.0} | before[0]]
    assert table(before, fine)[1]
    for worse in ({"fit, s": 1.3}, {"bytes": 1100.0}, {"skill kept": 0.99}):
        text, is_fine = table(before, [fine[0] | worse])
        assert not is_fine
        (marked,) = [line for line in text.splitlines() if line.endswith("| worse |")]
        assert marked.startswith(f"| {next(iter(worse))} |")
