"""The measures that decide against scikit-learn's, their intervals against a bootstrap, and which of them is chosen."""

import dataclasses

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from tabkd.evaluation import _choice as choice
from tabkd.evaluation import _criteria as criteria
from tabkd.evaluation import _intervals as intervals
from tabkd.evaluation import _metrics as measure
from tabkd.evaluation._fidelity import classification_fidelity, regression_fidelity
from tabkd.evaluation._scores import Scores
from tabkd.teachers._objective import Objective


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def value_of(name, task, truth, scores, weights):
    criterion = criteria.named(name, task)
    losses = criterion.losses(truth, scores, weights)
    return criterion.shown(float(np.average(losses, weights=weights)))


@pytest.mark.parametrize("K", [2, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_measures_of_classes_are_those_of_scikit_learn(rng, K, weighted):
    n = 300
    codes, P = rng.integers(0, K, n), measure.normalised(np.round(rng.random((n, K)) ** 2, 1) + 0.01)
    w = rng.exponential(size=n) if weighted else np.ones(n)
    onehot, score = np.eye(K)[codes], P[:, 1] if K == 2 else P

    def macro(function):
        return np.mean([function(onehot[:, k], P[:, k], sample_weight=w) for k in ([1] if K == 2 else range(K))])

    expected = {
        "neg_log_loss": sklearn_metrics.log_loss(codes, P, sample_weight=w),
        "accuracy": sklearn_metrics.accuracy_score(codes, P.argmax(axis=1), sample_weight=w),
        "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(codes, P.argmax(axis=1), sample_weight=w),
        "neg_brier_score": sklearn_metrics.brier_score_loss(codes, score, sample_weight=w, labels=list(range(K))),
        "roc_auc": macro(sklearn_metrics.roc_auc_score),
        "roc_auc_ovr": macro(sklearn_metrics.roc_auc_score),
        "average_precision": macro(sklearn_metrics.average_precision_score),
    }
    found = {name: value_of(name, "classification", codes, P, w) for name in expected}
    assert found == pytest.approx(expected)
    reported = measure.classification_metrics(codes, P, sample_weight=w)
    for name, value in expected.items():
        key = criteria.named(name, "classification").key
        assert reported.get(key, value) == pytest.approx(value)


@pytest.mark.parametrize("shape", [(200,), (200, 3)])
@pytest.mark.parametrize("weighted", [False, True])
def test_measures_of_values_are_those_of_scikit_learn(rng, shape, weighted):
    y, prediction = rng.gamma(1, size=shape) + 0.1, rng.gamma(1, size=shape) + 0.1
    w = rng.exponential(size=200) if weighted else np.ones(200)

    def over_outputs(function, **options):
        pairs = zip(y.reshape(200, -1).T, prediction.reshape(200, -1).T, strict=True)
        return np.mean([function(a, b, sample_weight=w, **options) for a, b in pairs])

    m = sklearn_metrics
    expected = {
        "r2": m.r2_score(y, prediction, sample_weight=w),
        "neg_mean_squared_error": m.mean_squared_error(y, prediction, sample_weight=w),
        "neg_root_mean_squared_error": over_outputs(m.root_mean_squared_error),
        "neg_mean_absolute_error": m.mean_absolute_error(y, prediction, sample_weight=w),
        "neg_mean_absolute_percentage_error": m.mean_absolute_percentage_error(y, prediction, sample_weight=w),
        "neg_mean_poisson_deviance": over_outputs(m.mean_poisson_deviance),
        "neg_mean_gamma_deviance": over_outputs(m.mean_gamma_deviance),
        "neg_mean_tweedie_deviance:power=1.3": over_outputs(m.mean_tweedie_deviance, power=1.3),
        "neg_mean_tweedie_deviance:power=-1": over_outputs(m.mean_tweedie_deviance, power=-1),
        "neg_mean_pinball_loss:alpha=0.8": m.mean_pinball_loss(y, prediction, sample_weight=w, alpha=0.8),
        "neg_mean_pinball_loss": m.mean_pinball_loss(y, prediction, sample_weight=w),
    }
    found = {name: value_of(name, "regression", y, prediction, w) for name in expected}
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    "name",
    [
        "r2",
        "neg_mean_squared_error",
        "neg_root_mean_squared_error",
        "neg_mean_absolute_error",
        "neg_mean_absolute_percentage_error",
        "neg_mean_poisson_deviance",
        "neg_mean_gamma_deviance",
        "neg_mean_tweedie_deviance:power=1.5",
        "neg_mean_pinball_loss:alpha=0.8",
    ],
)
def test_no_constant_is_better_than_the_constant_of_a_measure(rng, name):
    y, w = rng.gamma(1, size=101) + 0.1, rng.exponential(size=101)
    criterion = criteria.named(name, "regression")
    best = criterion.constant(y, w)

    def loss(constant):
        return np.average(criterion.losses(y, np.full(101, constant), w), weights=w)

    assert loss(best) <= min(loss(best * factor) for factor in np.linspace(0.5, 2, 301)) + 1e-12


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "balanced_accuracy"])
@pytest.mark.parametrize("weighted", [False, True])
def test_intervals_of_rankings_are_those_of_a_bootstrap_that_ranks_every_resample(rng, name, weighted):
    n = 400
    codes = (rng.random(n) < 0.25).astype(int)
    better, worse = (np.round(rng.normal(size=n) + lift * codes, 1) for lift in (1.5, 1.0))
    w = rng.exponential(size=n) if weighted else np.ones(n)
    scores = {key: np.column_stack([1 - p, p]) for key, p in (("a", expit(better)), ("b", expit(worse)))}
    criterion = criteria.named(name, "classification")
    drawn = intervals.resample({key: criterion.losses(codes, P, w) for key, P in scores.items()}, w)
    found = intervals.difference(drawn["b"], drawn["a"])
    leads = []
    for _ in range(1000):
        rows = rng.integers(0, n, n)
        a, b = (value_of(name, "classification", codes[rows], scores[key][rows], w[rows]) for key in ("a", "b"))
        leads.append(a - b)
    low, high = np.quantile(leads, [0.025, 0.975])
    assert found.high - found.low == pytest.approx(high - low, rel=0.12)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.12 * (high - low))


def expit(x):
    return 1 / (1 + np.exp(-x))


def test_a_ranking_of_a_large_test_set_is_quick(rng):
    import time

    n = 100_000
    codes, P = (rng.random(n) < 0.1).astype(int), measure.normalised(rng.random((n, 2)))
    start = time.perf_counter()
    losses = {name: criteria.ROC_AUC.losses(codes, P, np.ones(n)) for name in "abcdef"}
    intervals.resample(losses)
    assert time.perf_counter() - start < 10


def test_a_row_of_weight_two_is_two_rows(rng):
    n = 120
    codes, P = rng.integers(0, 3, n), measure.normalised(rng.random((n, 3)))
    w = rng.integers(0, 3, n)
    rows = np.repeat(np.arange(n), w)
    weighted = measure.classification_metrics(codes, P, sample_weight=w)
    repeated = measure.classification_metrics(codes[rows], P[rows])
    # Bins of equally many rows are others; everything else is the same.
    assert {**weighted, "ece": 0} == pytest.approx({**repeated, "ece": 0})
    two = measure.normalised(P[:, :2])
    recall = measure.at_budget(codes == 1, two[:, 1], 0.1, w)
    assert recall == pytest.approx(measure.at_budget((codes == 1)[rows], two[rows, 1], 0.1), rel=0.2)
    other = measure.normalised(rng.random((n, 3)))
    fidelity = classification_fidelity(P, other, w)
    assert fidelity == pytest.approx(classification_fidelity(P[rows], other[rows]))
    y, prediction = rng.normal(size=(n, 2)), rng.normal(size=(n, 2))
    assert measure.regression_metrics(y, prediction, w) == pytest.approx(
        measure.regression_metrics(y[rows], prediction[rows])
    )
    assert regression_fidelity(y, prediction, w) == pytest.approx(regression_fidelity(y[rows], prediction[rows]))
    recalls = measure.per_class_recall(codes, {"student": P}, 3, w)
    again = measure.per_class_recall(codes[rows], {"student": P[rows]}, 3)
    assert [r["student_recall"] for r in recalls] == pytest.approx([r["student_recall"] for r in again])


def test_a_weighted_bootstrap_covers_the_weighted_mean():
    """Rows of weight ten have another mean than the rest: the interval is about the weighted one."""
    rng = np.random.default_rng(0)
    w = np.where(np.arange(1000) % 2, 10.0, 1.0)
    losses = np.where(w > 1, 1.0, 0.0) + rng.normal(0, 0.1, 1000)
    found = intervals.mean_difference(losses, np.zeros(1000), sample_weight=w)
    assert found.value == pytest.approx(np.average(losses, weights=w))
    assert found.low < 10 / 11 < found.high
    assert found.high - found.low < 0.05
    repeated = intervals.mean_difference(losses, np.zeros(1000), sample_weight=np.full(1000, 3.0))
    plain = intervals.mean_difference(losses, np.zeros(1000))
    assert (repeated.value, repeated.low, repeated.high) == pytest.approx((plain.value, plain.low, plain.high))


def test_losses_that_are_not_finite_have_no_interval():
    drawn = intervals.resample({"a": np.array([1.0, np.inf, 2.0]), "b": np.ones(3)})
    assert np.isnan(drawn["a"].value)
    assert intervals.difference(drawn["a"], drawn["b"]).low == -np.inf


# Which one decides


def classes_of(rng, odds, n=4000):
    """Scores for labels, by the probabilities that they were drawn by with the odds multiplied, and the prior's."""
    p = expit(rng.normal(-2, 1.5, n))
    codes = (rng.random(n) < p).astype(int)
    shifted = odds * p / (1 - p + odds * p)
    teacher, prior = np.column_stack([1 - shifted, shifted]), np.tile([1 - codes.mean(), codes.mean()], (n, 1))
    return Scores({"teacher": teacher, "prior": prior}, codes, classes=np.array(["no", "yes"]))


@pytest.mark.parametrize(
    ("odds", "name"), [(1, "neg_log_loss"), (2, "neg_log_loss"), (10, "roc_auc"), (0.1, "roc_auc")]
)
def test_a_ranking_decides_where_probabilities_are_no_frequencies(rng, odds, name):
    criterion, why = choice.for_classes("auto", classes_of(rng, odds), None)
    assert criterion.name == name
    assert (why is None) == (name == "neg_log_loss")


def test_the_reason_names_the_class_and_its_share(rng):
    why = choice.uncalibrated(classes_of(rng, 3.5))
    assert "mean probability of class 'no' is" in why or "mean probability of class 'yes' is" in why


def test_frequencies_that_are_far_off_by_chance_say_nothing(rng):
    scores = classes_of(rng, 1, n=12).joined_by("prior", np.full((12, 2), 0.5))
    assert choice.uncalibrated(scores) is None


def test_weights_of_classes_let_the_order_decide_and_a_named_metric_is_taken(rng):
    scores, favoured = classes_of(rng, 1), "class_weight='balanced'"
    criterion, why = choice.for_classes("auto", scores, favoured)
    assert criterion.name == "roc_auc"
    assert "weights classes on purpose (class_weight='balanced')" in why
    assert choice.for_classes("neg_log_loss", scores, favoured)[1] is None
    one_class = dataclasses.replace(scores, truth=np.zeros_like(scores.truth))
    criterion, why = choice.for_classes("auto", one_class, favoured)
    assert criterion.name == "neg_log_loss"
    assert "ROC AUC needs test rows of two classes" in why


@pytest.mark.parametrize(
    ("objective", "name"),
    [
        (Objective(), "r2"),
        (Objective("huber", 1.0), "r2"),
        (Objective("absolute_error"), "neg_mean_absolute_error"),
        (Objective("quantile", 0.9), "neg_mean_pinball_loss:alpha=0.9"),
        (Objective("poisson"), "neg_mean_poisson_deviance"),
        (Objective("gamma"), "neg_mean_gamma_deviance"),
        (Objective("tweedie", 1.7), "neg_mean_tweedie_deviance:power=1.7"),
    ],
)
def test_the_loss_of_the_teacher_decides(objective, name):
    criterion, why = choice.for_values("auto", objective, np.array([0.5, 1.0, 2.0]))
    assert criterion.name == name
    assert (why is None) == (name == "r2")
    # What a report says can be given back.
    assert criteria.named(name, "regression").name == name


def test_a_deviance_that_is_not_defined_gives_way_with_its_reason():
    y = np.array([0.0, 1.0, 2.0])
    assert choice.for_values("auto", Objective("poisson"), y)[0].name == "neg_mean_poisson_deviance"
    criterion, why = choice.for_values("auto", Objective("gamma"), y)
    assert criterion.name == "r2"
    assert "Gamma deviance needs positive values, and y_test has 0" in why
    with pytest.raises(ValueError, match="Poisson deviance needs non-negative values, and y_test has -1"):
        choice.for_values("neg_mean_poisson_deviance", Objective(), y - 1)


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("auc", "classification"),
        ("r2", "classification"),
        ("roc_auc", "regression"),
        ("neg_mean_pinball_loss:alpha=2", "regression"),
        ("neg_mean_pinball_loss:beta=0.5", "regression"),
        ("neg_mean_tweedie_deviance:power=much", "regression"),
        ("neg_mean_tweedie_deviance:power=0.5", "regression"),
    ],
)
def test_a_metric_that_is_not_known_is_refused_with_those_that_are(name, task):
    with pytest.raises(ValueError, match=f"{name}.*{'neg_log_loss' if task == 'classification' else 'r2'}"):
        criteria.named(name, task)


def test_predictions_of_zero_cost_a_finite_deviance():
    criterion = criteria.named("neg_mean_poisson_deviance", "regression")
    losses = criterion.losses(np.array([0.0, 2.0]), np.array([-1.0, 0.0]), np.ones(2))
    assert losses[0] < 1e-5
    assert 20 < losses[1] < 100
