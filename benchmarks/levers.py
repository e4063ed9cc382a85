"""Levers of the recipe that are no parameter of tabkd: students and augmenters that do one thing otherwise.

They reach into what the students leave to subclasses, and are here to be measured by `ablation` alone.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import clone

from tabkd._tables.schema import TableSchema
from tabkd.augment import Munge
from tabkd.augment._neighbours import embed, nearest
from tabkd.students import BoostedTreesStudent, MLPStudent, SoftRows, SoftStream, TreeStudent
from tabkd.students._network.training import Trainer
from tabkd.students._training.lessons import hold_out


def brier(outputs, targets):
    """The squared error of the probabilities."""
    import jax

    return ((jax.nn.softmax(outputs) - targets) ** 2).sum(axis=1)


def logit_matching(outputs, targets):
    """The squared error of the centred log-probabilities (Ba and Caruana, 2014), of classes from a millionth up."""
    import jax.numpy as jnp

    logits = jnp.log(jnp.maximum(targets, 1e-6))
    logits -= logits.mean(axis=1, keepdims=True)
    return ((outputs - outputs.mean(axis=1, keepdims=True) - logits) ** 2).mean(axis=1)


class WithBrier(MLPStudent):
    """An MLP whose probabilities are learnt by the Brier score."""

    def _loss(self):
        return brier


def adam():
    """Adam for all weights."""
    import optax

    return optax.scale_by_adam(b2=0.99)


class WithAdam(MLPStudent):
    """An MLP that learns by Adam alone."""

    _optimizer = staticmethod(adam)


class WithLogitMatching(MLPStudent):
    """An MLP that matches logits."""

    def _loss(self):
        return logit_matching


def leaky_relu(values, xp):
    """A line of slope .1 below zero."""
    return xp.where(values > 0, values, 0.1 * values)


def silu(values, xp):
    """A smooth ReLU, x / (1 + exp(-x))."""
    return values * (0.5 + 0.5 * xp.tanh(values / 2))


class WithLeakyReLU(MLPStudent):
    """An MLP of leaky ReLUs."""

    _activation = staticmethod(leaky_relu)


class WithSiLU(MLPStudent):
    """An MLP of smooth ReLUs."""

    _activation = staticmethod(silu)


class WithTanh(MLPStudent):
    """An MLP of hyperbolic tangents."""

    _activation = staticmethod(lambda values, xp: xp.tanh(values))


class _Averaging:
    """A trainer whose layers are the average of another's."""

    _KEPT = 0.98  # of the average, in every block of steps

    def __init__(self, trainer: Trainer):
        self._trainer = trainer
        self.layers = trainer.layers

    def step(self, batches, rates):
        loss = self._trainer.step(batches, rates)
        self.layers = [
            tuple(self._KEPT * old + (1 - self._KEPT) * new for old, new in zip(*pair, strict=True))
            for pair in zip(self.layers, self._trainer.layers, strict=True)
        ]
        return loss


class Averaged(MLPStudent):
    """An MLP of the exponential average of its weights."""

    def _trainer(self, real, rng):
        return _Averaging(super()._trainer(real, rng))


class EarlyStopped(MLPStudent):
    """An MLP of the weights that were the nearest to the teacher on real rows held out."""

    def _held_out(self, real, synthetic, rng):
        return hold_out(real, rng)


class BestOfThree(MLPStudent):
    """The best of three seeds, by the loss on real rows held out."""

    def fit_stream(self, schema: TableSchema, real: SoftRows, synthetic: SoftStream):
        rest, held_out = hold_out(real, np.random.RandomState(0))
        students = _three_seeds(self, schema, rest, synthetic)
        losses = [
            np.mean(_distance(student.predict_codes(held_out.codes), held_out.targets, student.task_))
            for student in students
        ]
        self.__dict__.update(students[int(np.argmin(losses))].__dict__)
        return self


class AverageOfThree(MLPStudent):
    """The mean answer of three seeds: three times the bytes, and what several seeds could give at best."""

    def fit_stream(self, schema: TableSchema, real: SoftRows, synthetic: SoftStream):
        self._students = _three_seeds(self, schema, real, synthetic)
        self.__dict__.update(self._students[0].__dict__)
        return self

    def predict_codes(self, codes):
        return np.mean([student.predict_codes(codes) for student in self._students], axis=0)


def _three_seeds(student: MLPStudent, schema, real: SoftRows, synthetic: SoftStream) -> list[MLPStudent]:
    chunks = list(synthetic)
    return [
        MLPStudent(**student.get_params() | {"random_state": seed}).fit_stream(
            schema, real, SoftStream(synthetic.n_rows, chunks)
        )
        for seed in range(3)
    ]


class Disagreement(MLPStudent):
    """A student whose synthetic rows are drawn from twice as many, those where a first one fails more often."""

    def fit_stream(self, schema: TableSchema, real: SoftRows, synthetic: SoftStream):
        pool = SoftRows.concatenate(list(synthetic))
        rng = np.random.RandomState(0)
        half = pool.take(np.arange(0, len(pool), 2))
        first = MLPStudent(**self.get_params()).fit_stream(schema, real, SoftStream(len(half), _chunks(half)))
        error = _distance(first.predict_codes(pool.codes), pool.targets, first.task_)
        share = error / error.sum() + 1 / len(pool)
        drawn = pool.take(rng.choice(len(pool), len(half), replace=False, p=share / share.sum()))
        return super().fit_stream(schema, real, SoftStream(len(drawn), _chunks(drawn)))


class Trepan(TreeStudent):
    """A tree whose leaves have like numbers of synthetic rows, of twice as many (after Craven and Shavlik, 1996)."""

    def fit_stream(self, schema: TableSchema, real: SoftRows, synthetic: SoftStream):
        pool = SoftRows.concatenate(list(synthetic))
        rng = np.random.RandomState(0)
        half = pool.take(np.arange(0, len(pool), 2))
        first = clone(self).set_params(random_state=0)
        first = TreeStudent.fit_stream(first, schema, real, SoftStream(len(half), _chunks(half)))
        leaves = first.decision_tree_.apply(first.encoder_.transform_codes(pool.codes))
        _, leaf, count = np.unique(leaves, return_inverse=True, return_counts=True)
        share = 1 / count[leaf]
        rows = rng.choice(len(pool), len(half), p=share / share.sum())
        drawn = pool.take(rows)
        # Each leaf weighs what it weighs in the pool.
        weights = drawn.weights * count[leaf][rows] / count[leaf][rows].mean()
        drawn = SoftRows(drawn.codes, drawn.targets, weights)
        return super().fit_stream(schema, real, SoftStream(len(drawn), _chunks(drawn)))


class EarlyStoppedTrees(BoostedTreesStudent):
    """As many of the boosted trees as are the nearest to the teacher on real rows held out."""

    _EVERY = 10

    def _fit_rows(self, real: SoftRows, synthetic: SoftStream) -> None:
        import lightgbm

        real, held_out = hold_out(real, np.random.RandomState(0))
        super()._fit_rows(real, synthetic)
        every, losses = self.booster_, {}
        for n in range(self._EVERY, every.num_trees() // len(self.base_score_) + 1, self._EVERY):
            self.booster_ = lightgbm.Booster(model_str=every.model_to_string(num_iteration=n))
            losses[n] = np.mean(_distance(self.predict_codes(held_out.codes), held_out.targets, self.task_))
        best = min(losses, key=lambda n: losses[n])
        self.booster_ = lightgbm.Booster(model_str=every.model_to_string(num_iteration=best))


class GainWeightedMunge(Munge):
    """MUNGE among neighbours by a distance that weighs each column by its gain in the teacher's first booster.

    Parameters
    ----------
    gains : array of shape (d,)
    n_neighbors : int
    """

    _parameter_constraints = {**Munge._parameter_constraints, "gains": ["array-like"]}

    def __init__(self, gains=(), *, p=0.5, s=1.0, n_neighbors=3, n_jobs=None):
        super().__init__(p=p, s=s, n_neighbors=n_neighbors, n_jobs=n_jobs)
        self.gains = gains

    def _fit(self, codes):
        self._codes = codes
        gains = np.asarray(self.gains) / np.sum(self.gains) * len(self.gains)
        columns = [
            np.float32(np.sqrt(gain)) * embed(TableSchema((column,), self.schema_.container), codes[:, [i]])
            for i, (column, gain) in enumerate(zip(self.schema_.columns, gains, strict=True))
        ]
        self._neighbours = nearest(np.hstack(columns), self.n_neighbors)


def gains(teacher) -> np.ndarray:
    """What each column adds to the default teacher's LightGBM, of shape (d,)."""
    boosters = np.ravel(np.asarray(teacher.boosters_, dtype=object))
    return boosters[0].feature_importance("gain") + 1e-9


def _chunks(rows: SoftRows, size: int = 65_536):
    return [rows.take(slice(start, start + size)) for start in range(0, len(rows), size)]


def _distance(predicted: np.ndarray, targets: np.ndarray, task: str) -> np.ndarray:
    """How far each row's prediction is from its target: the Kullback-Leibler divergence, or the squared error."""
    if task == "regression":
        return ((predicted - targets) ** 2).mean(axis=1) + 1e-12
    ratio = np.log(np.maximum(targets, 1e-12)) - np.log(np.maximum(predicted, 1e-12))
    return np.maximum((targets * ratio).sum(axis=1), 0) + 1e-12
