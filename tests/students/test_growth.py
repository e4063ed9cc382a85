"""The MLP that becomes wider where the usual width does not follow the teacher."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from tabkd import DistilledRegressor
from tabkd._tables.schema import TableSchema
from tabkd.students import MLPStudent, SoftRows, SoftStream, TreeStudent
from tabkd.students._network.size import Size
from tabkd.students._network.training import Trainer
from tabkd.students._training.lessons import Trial
from tabkd.students._training.school import n_passes
from tabkd.students._training.unexplained import unexplained
from tabkd.teachers import DefaultTeacherRegressor

USUAL, WIDER = (64, 32), (256, 128)
FAST = {"hidden_layer_sizes": "auto", "n_knots": 24, "max_iter": 4, "batch_size": 32, "n_jobs": 1, "random_state": 0}


def even(X):
    return X.sum(axis=1)


def rough(X):
    return np.sin(25 * X[:, 0]) * np.sin(25 * X[:, 1])


def rows(answer, n, seed):
    X = np.random.RandomState(seed).rand(n, 2)
    return SoftRows(X, answer(X).reshape(n, -1), np.ones(n))


def probabilities(X):
    high = 1 / (1 + np.exp(-8 * rough(X)))
    return np.column_stack([1 - high, high])


def fitted(answer, n_synthetic=2000, is_consistent=True, **params):
    real = rows(answer, 500, 0)
    half = n_synthetic // 2
    chunks = [rows(answer, half, seed) for seed in (1, 2)] if half else ()
    synthetic = SoftStream(n_synthetic, chunks, is_consistent)
    return MLPStudent(**FAST | params).fit_stream(TableSchema.of(real.codes), real, synthetic)


@pytest.mark.parametrize("answer", [rough, probabilities])
def test_a_student_that_does_not_follow_its_teacher_is_made_wider_and_follows_better(answer):
    usual, grown = fitted(answer, hidden_layer_sizes=USUAL), fitted(answer)
    test = rows(answer, 2000, 3)
    errors = [((student.predict_codes(test.codes) - test.targets) ** 2).mean() for student in (usual, grown)]
    assert grown.hidden_layer_sizes_ == tuple(w.shape[1] for w in grown.coefs_[:-1]) == WIDER
    assert errors[1] < 0.9 * errors[0]


def test_a_student_that_follows_its_teacher_stays_as_small_as_it_is():
    student = fitted(even)
    assert student.hidden_layer_sizes_ == tuple(w.shape[1] for w in student.coefs_[:-1]) == USUAL
    assert 0 < student.unexplained_ < 0.015


def test_sizes_that_are_given_are_kept_whatever_is_left_unexplained():
    student = fitted(rough, hidden_layer_sizes=USUAL)
    assert student.hidden_layer_sizes_ == USUAL
    assert student.unexplained_ > 0.015


def test_without_synthetic_rows_the_student_stays_small():
    student = fitted(rough, n_synthetic=0)
    assert student.hidden_layer_sizes_ == USUAL
    assert student.unexplained_ > 0.015


def test_where_real_rows_have_other_targets_than_the_teachers_answers_the_student_stays_small():
    assert fitted(rough, is_consistent=False).hidden_layer_sizes_ == USUAL


@pytest.mark.parametrize(
    ("teacher", "params", "is_consistent"),
    [
        (RandomForestRegressor(20, random_state=0), {}, False),
        (RandomForestRegressor(20, random_state=0), {"cv": None}, True),
        (DefaultTeacherRegressor(random_state=0), {}, True),
        (DefaultTeacherRegressor(random_state=0), {"alpha": 0.5}, False),
        (DefaultTeacherRegressor(random_state=0), {"cv": 3}, False),
    ],
)
def test_lessons_say_whether_one_teacher_gave_all_targets(teacher, params, is_consistent):
    X = rows(even, 200, 0).codes
    found = []

    class Listening(TreeStudent):
        def fit_stream(self, schema, real, synthetic):
            found.append((synthetic.is_consistent, synthetic.kept().is_consistent))
            return super().fit_stream(schema, real, synthetic)

    DistilledRegressor(teacher, student=Listening(), n_synthetic=500, random_state=0, **params).fit(X, X[:, 0])
    assert found == [(is_consistent, is_consistent)]


@pytest.mark.parametrize(
    ("n_rows", "passes"), [(2_000, 200), (20_000, 50), (50_000, 20), (250_000, 10), (500_000, 8), (5_000_000, 2)]
)
def test_few_rows_are_passed_over_until_it_is_a_million(n_rows, passes):
    assert n_passes("auto", n_rows, Size.of("auto", 128, 288, 32).effort) == passes
    given = Size.of((64, 32), 128, 288, 32).effort
    assert (n_passes("auto", n_rows, given), n_passes(7, n_rows, given)) == (min(200, max(2, 4_000_000 // n_rows)), 7)


class Layers:
    """A trainer that learns nothing."""

    layers = 1.0


@pytest.mark.parametrize(("left", "is_hopeless"), [(0.04, True), (0.02, False)])
def test_a_trial_is_decided_once_after_a_quarter_of_the_training(left, is_hopeless):
    asked = []
    trial = Trial(lambda layers: asked.append(layers) or left, 0.03)
    assert not trial.is_hopeless(Layers, 0.24)
    assert trial.is_hopeless(Layers, 0.3) is is_hopeless
    assert not trial.is_hopeless(Layers, 0.6)
    assert asked == [1.0]


def test_a_network_that_is_far_too_narrow_is_given_up_early(monkeypatch):
    steps = []
    taken = Trainer.step
    monkeypatch.setattr(
        Trainer, "step", lambda self, *given: steps.append(len(self.layers[0][1])) or taken(self, *given)
    )
    fitted(rough, max_iter=8)
    usual, wider = (steps.count(sizes[0]) for sizes in (USUAL, WIDER))
    assert 0 < usual < wider / 3


def test_the_same_seed_gives_the_same_wider_student():
    X = rows(rough, 50, 4).codes
    np.testing.assert_array_equal(fitted(rough).predict_codes(X), fitted(rough).predict_codes(X))


def test_a_wider_student_has_a_small_file_and_its_report_says_so():
    rng = np.random.RandomState(0)
    X = rng.rand(600, 2)
    y = 3 * X[:, 0] + rough(X)
    model = DistilledRegressor(
        DefaultTeacherRegressor(random_state=0), student=MLPStudent(**FAST), n_synthetic=1000, random_state=0
    ).fit(X, y)
    assert model.student_.hidden_layer_sizes_ == WIDER
    assert len(model.to_onnx().SerializeToString()) < 150_000
    report = model.report(X[:100], y[:100], timing=False)
    assert report.provenance["network"]["hidden_layer_sizes"] == "256, 128"
    assert "How wide the student is" in report.to_html()


def test_a_wider_student_keeps_its_monotone_constraints():
    student = fitted(rough, monotonic_cst=[1, 0])
    assert student.hidden_layer_sizes_ == WIDER
    assert student.proved_monotone().tolist() == [1, 0]


@pytest.mark.parametrize("answer", [rough, probabilities])
def test_the_share_left_unexplained_is_none_for_perfect_answers_and_all_for_the_best_constant(answer):
    some = rows(answer, 400, 0)
    scale = np.ones(1) if answer is rough else None
    constant = np.tile(some.targets.mean(axis=0), (400, 1))
    found = [
        unexplained(lambda codes, given=given: given, some, scale)
        for given in (some.targets, (constant + some.targets) / 2, constant)
    ]
    assert found[0] == 0
    assert 0 < found[1] < 0.5
    assert found[2] == pytest.approx(1)


def test_nothing_is_left_unexplained_of_a_teacher_that_always_says_the_same():
    some = SoftRows(np.zeros((5, 1)), np.ones((5, 1)), np.ones(5))
    assert unexplained(lambda codes: np.ones((5, 1)), some, np.ones(1)) == 0


def test_the_share_left_unexplained_is_measured_on_an_even_sample_of_many_rows():
    many = rows(even, 30_000, 0)
    asked = []
    unexplained(lambda codes: asked.append(codes) or np.zeros((len(codes), 1)), many, np.ones(1))
    np.testing.assert_array_equal(asked[0], many.codes[::3])
