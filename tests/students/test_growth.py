"""The MLP that reads more rows, and becomes wider, only where its teacher is hard to follow."""

from contextlib import contextmanager
from copy import deepcopy

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from tabkd import DistilledRegressor
from tabkd._label_budget import Labelling
from tabkd._own_rows import label_noise
from tabkd._tables.schema import TableSchema
from tabkd.students import MLPStudent, SoftRows, SoftStream, TreeStudent
from tabkd.students._encoding import knots
from tabkd.students._encoding.surrogate import surrogates
from tabkd.students._network.size import Size, most_unexplained
from tabkd.students._soft_rows import held_back
from tabkd.students._training.school import n_passes
from tabkd.students._training.unexplained import unexplained
from tabkd.teachers import DefaultTeacherRegressor

USUAL, WIDER = (64, 32), (256, 128)
FAST = {"n_knots": 24, "max_iter": 4, "batch_size": 32, "n_jobs": 1, "random_state": 0}


def even(X):
    return X.sum(axis=1)


def rough(X):
    return np.sin(25 * X[:, 0]) * np.sin(25 * X[:, 1])


def rows(answer, n, seed):
    X = np.random.RandomState(seed).rand(n, 2)
    return SoftRows(X, answer(X).reshape(n, -1), np.ones(n))


def bumpy(X):
    return even(X) + 0.3 * np.sin(60 * X[:, 0])


def probabilities(X):
    high = 1 / (1 + np.exp(-8 * rough(X)))
    return np.column_stack([1 - high, high])


class Counted(SoftStream):
    """It notes which chunks are read."""

    def __init__(self, chunks, **options):
        super().__init__(sum(map(len, chunks)), chunks, **options)
        self.read, self.notes = set(), []

    def note(self, text):
        self.notes.append(text)

    def __iter__(self):
        for k, chunk in enumerate(super().__iter__()):
            self.read.add(k)
            yield chunk


def fitted(answer, synthetic=None, **params):
    real = rows(answer, 600, 0)
    if synthetic is None:
        synthetic = stream(answer)
    return MLPStudent(**FAST | params).fit_stream(TableSchema.of(real.codes), real, synthetic)


def stream(answer, **options):
    return Counted([rows(answer, 1000, seed) for seed in (1, 2)], **options)


@pytest.mark.parametrize("answer", [rough, probabilities])
def test_a_student_that_does_not_follow_its_teacher_is_made_wider_and_follows_better(answer):
    usual, grown = fitted(answer, hidden_layer_sizes=USUAL), fitted(answer)
    test = rows(answer, 2000, 3)
    errors = [((student.predict_codes(test.codes) - test.targets) ** 2).mean() for student in (usual, grown)]
    assert grown.hidden_layer_sizes_ == tuple(w.shape[1] for w in grown.coefs_[:-1]) == WIDER
    assert errors[1] < 0.9 * errors[0]


def test_networks_of_two_sizes_share_the_splits_of_one_surrogate(monkeypatch):
    asked = []
    monkeypatch.setattr(knots, "surrogates", lambda *question: asked.append(question) or surrogates(*question))
    grown = fitted(rough)
    assert grown.hidden_layer_sizes_ == WIDER
    assert len(asked) == 1
    assert "_find_splits" not in vars(grown)
    alone = clone(grown.encoder_).fit_rows(grown.schema_, rows(rough, 600, 0))
    np.testing.assert_array_equal(grown.encoder_.unit_scale_, alone.unit_scale_)


@pytest.mark.parametrize("changed", range(6))
def test_another_question_about_splits_is_asked_anew(changed):
    rng = np.random.default_rng(0)
    question = [rng.random((90, 2)), np.empty((90, 0)), rng.random((90, 1)), np.ones(90), 0, 1]
    find = knots.RememberedSplits()
    first = find(*question)
    assert find(*deepcopy(question)) is first
    question[changed] = np.ones((90, 1)) if changed == 1 else question[changed] * 2 + 1
    assert find(*question) is not first


def test_a_student_that_follows_its_teacher_stays_as_small_as_it_is():
    student = fitted(even)
    assert student.hidden_layer_sizes_ == tuple(w.shape[1] for w in student.coefs_[:-1]) == USUAL
    assert 0 < student.unexplained_ < 0.015


def test_verbose_tells_the_stages(capsys):
    X = rows(even, 400, 0).codes
    student = MLPStudent(n_knots=8, n_jobs=1, max_iter=3)
    DistilledRegressor(LinearRegression(), student=student, n_synthetic=600, random_state=0, verbose=1).fit(X, X[:, 0])
    assert "MLP (64, 32), 3 × 940 rows: " in capsys.readouterr().out


def test_sizes_that_are_given_are_kept_whatever_is_left_unexplained():
    student = fitted(rough, hidden_layer_sizes=USUAL)
    assert student.hidden_layer_sizes_ == USUAL
    assert student.unexplained_ > 0.015


def test_without_synthetic_rows_the_student_stays_small():
    student = fitted(rough, SoftStream())
    assert student.hidden_layer_sizes_ == USUAL
    assert student.unexplained_ > 0.015


@pytest.mark.parametrize(("noise", "sizes"), [(0.0, WIDER), (20.0, USUAL)])
def test_a_student_need_not_follow_answers_further_than_they_are_right(noise, sizes):
    student = fitted(bumpy, stream(bumpy, noise=noise))
    assert student.hidden_layer_sizes_ == sizes
    assert (0.015 < student.unexplained_ < 0.2) == (sizes == USUAL)


@pytest.mark.parametrize("params", [{}, {"hidden_layer_sizes": USUAL}])
def test_an_easy_teacher_is_learnt_from_the_first_chunk_where_others_are_optional(params):
    optional, needed = stream(even, is_optional=True), stream(even)
    students = [fitted(even, some, max_iter="auto", batch_size=512, **params) for some in (optional, needed)]
    assert (optional.read, needed.read) == ({0}, {0, 1})
    assert [student.hidden_layer_sizes_ for student in students] == [USUAL, USUAL]


@pytest.mark.parametrize("params", [{}, {"hidden_layer_sizes": (4,)}])
def test_a_hard_teacher_is_learnt_from_all_chunks(params):
    optional = stream(rough, is_optional=True)
    student = fitted(rough, optional, max_iter="auto", batch_size=512, **params)
    assert optional.read == {0, 1}
    sizes = student.hidden_layer_sizes_
    assert sizes == params.get("hidden_layer_sizes", WIDER)
    *_, last = optional.notes
    assert last == (
        f"MLP {sizes}, {student.n_iter_} × 2,500 rows: {student.unexplained_:.1%} of the teacher unexplained "
        "(1.5% is good enough)"
    )
    assert len(optional.notes) == 2


def test_passes_that_are_asked_for_are_made_over_all_chunks():
    optional = stream(even, is_optional=True)
    assert fitted(even, optional, max_iter=2).n_iter_ == 2
    assert optional.read == {0, 1}


def test_the_rows_that_show_how_well_a_teacher_is_followed_are_not_learnt():
    first, second = rows(even, 60, 1), rows(even, 30, 2)
    kept_back, of_first, rest = held_back(SoftStream(90, [first, second], 0.5), 4096)
    learnt = SoftRows.concatenate(list(rest))
    assert (len(kept_back), len(learnt), rest.n_rows, rest.noise) == (6, 84, 84, 0.5)
    np.testing.assert_array_equal(np.vstack([kept_back.codes, learnt.codes]), np.vstack([first.codes, second.codes]))
    np.testing.assert_array_equal(next(iter(of_first)).codes, first.codes[6:])
    assert len(held_back(SoftStream(90, [first, second]), 2)[0]) == 2


@pytest.mark.parametrize("params", [{}, {"n_synthetic": 600}])
def test_the_teacher_labels_only_what_the_student_reads(params):
    X = rows(even, 400, 0).codes
    student = MLPStudent(n_knots=8, n_jobs=1, batch_size=512)
    model = DistilledRegressor(LinearRegression(), student=student, random_state=0, **params)
    with replaced_chunks(300):
        model.fit(X, X[:, 0])
    wanted = params.get("n_synthetic", 40_000)
    assert model.labelling_ == Labelling(wanted if params else 300, wanted, None)


@contextmanager
def replaced_chunks(n_rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tabkd._learning_rows.CHUNK_ROWS", n_rows)
        yield


def test_noise_is_the_distance_of_labels_from_answers():
    X = np.random.RandomState(0).rand(400, 2)
    y = X[:, 0] + np.random.RandomState(1).normal(scale=0.2, size=400)
    found = []

    class Listening(TreeStudent):
        def fit_stream(self, schema, real, synthetic):
            found.append((synthetic.noise, synthetic.kept().noise, synthetic.is_optional))
            return super().fit_stream(schema, real, synthetic)

    model = DistilledRegressor(LinearRegression(), student=Listening(), n_synthetic=500, random_state=0).fit(X, y)
    answers = model.teacher_.predict(X)
    noise = ((y - answers) ** 2).mean() / answers.var()
    assert found == [(pytest.approx(noise), pytest.approx(noise), False)]


def test_the_noise_of_values_counts_each_in_its_own_unit_and_that_of_probabilities_in_one():
    answers, targets = np.array([[0.0, 0.0], [2.0, 200.0]]), np.array([[1.0, 0.0], [1.0, 200.0]])
    assert label_noise(answers, targets, np.ones(2), is_scaled=True) == 0.5
    assert label_noise(answers, targets, np.ones(2), is_scaled=False) == pytest.approx(1 / 10_001)
    assert label_noise(np.ones((3, 2)), np.zeros((3, 2)), np.ones(3), is_scaled=False) == np.inf


def test_rows_without_weight_make_no_noise():
    answers, targets = np.array([[0.0], [2.0], [5.0]]), np.array([[1.0], [1.0], [900.0]])
    weights = np.array([1.0, 1.0, 0.0])
    assert label_noise(answers, targets, weights, True) == label_noise(answers[:2], targets[:2], np.ones(2), True)
    assert label_noise(answers, targets, np.zeros(3), True) == np.inf


def test_a_weak_teacher_excuses_no_student_that_learns_nothing():
    most = [most_unexplained(noise, 10_000) for noise in (0.0, 0.2, 1.0, 58.0)]
    assert most == [0.015, pytest.approx(0.03), 0.15, 0.2]


def test_of_a_table_with_few_rows_more_may_be_left():
    most = [most_unexplained(0.0, n_rows) for n_rows in (1, 100, 400, 534)]
    assert most == [0.2, pytest.approx(0.08), pytest.approx(0.02), 0.015]


@pytest.mark.parametrize("n", [1, 9, 10, 40, 199, 200])
def test_a_few_synthetic_rows_are_all_learnt(n):
    few = Counted([rows(rough, n, 1)], is_optional=True)
    student = fitted(rough, few, max_iter="auto", batch_size=512)
    assert student.hidden_layer_sizes_ == (WIDER if n >= 200 else USUAL)
    assert student.unexplained_ > 0.015


def test_rows_without_weight_show_nothing():
    made = rows(rough, 1000, 1)
    unweighted = SoftStream(1000, [SoftRows(made.codes, made.targets, np.zeros(1000))])
    assert fitted(rough, unweighted).hidden_layer_sizes_ == USUAL


@pytest.mark.parametrize(
    ("n_rows", "brief", "usual", "wider"), [(2_000, 200, 200, 200), (40_000, 25, 50, 12), (5_000_000, 1, 1, 1)]
)
def test_a_brief_training_has_fewer_passes_and_that_of_a_wider_network_still_fewer(n_rows, brief, usual, wider):
    size = Size.of("auto", 128, 288, 8)
    stages = [size.brief(), size, size.wider()]
    assert [n_passes("auto", n_rows, some.rows_in_all) for some in stages] == [brief, usual, wider]
    assert n_passes(7, n_rows, size.rows_in_all) == 7


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
