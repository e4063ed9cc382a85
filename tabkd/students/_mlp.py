"""The MLP student: a compact network on the units of `TableEncoder`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Literal

import numpy as np
from scipy.special import softmax
from sklearn.utils import check_random_state, check_scalar

from tabkd._sklearn import N_JOBS, Interval, StrOptions
from tabkd._typing import RandomState
from tabkd.onnx._graph import Graph
from tabkd.onnx._inputs import Inputs
from tabkd.students._encoder import TableEncoder
from tabkd.students._lessons import Progress, hold_out
from tabkd.students._schooling import encoded_batches, encoded_units, loss_of_answers, n_passes, school
from tabkd.students._soft_rows import SoftRows, SoftStream
from tabkd.students._student import Student, Tensors
from tabkd.students._training import (
    Batches,
    Layers,
    Trainer,
    Units,
    cross_entropy,
    initial_weights,
    relu,
    squared_error,
)

# Rows that a prediction encodes at a time, so that their units stay in the processor's cache.
_PREDICT_ROWS = 4096


class MLPStudent(Student):
    """A compact MLP on soft targets, trained in JAX; prediction needs only NumPy.

    Class probabilities are learnt with soft cross-entropy, real targets with squared error.

    Parameters
    ----------
    hidden_layer_sizes : int or tuple of int, default=(64, 32)
        Number of units of each hidden layer.
    n_knots : int, default=128
        Most piecewise-linear units of all numeric columns together; see `TableEncoder`.
    max_levels : int, default=64
        Most levels of a categorical column that gets one unit for each level.
    max_units : int, default=288
        Most units of the input in total; with `hidden_layer_sizes` it bounds the size of the exported network.
    batch_size : int, default=128
        Rows of a minibatch.
    learning_rate_init : float, default=0.005
        The highest learning rate. It is reached after a twentieth of the steps; then the rate falls to zero as a half
        cosine.
    weight_decay : float, default=1e-4
        Decoupled weight decay.
    max_iter : int or "auto", default="auto"
        Passes over every row. "auto" passes over about four million rows in total; without synthetic rows it holds out
        a tenth of the rows for early stopping.
    n_jobs : int or None, default=None
        Threads of the surrogate that places the knots; None for all cores.
    random_state : int, RandomState instance or None, default=None
        Seed, or generator of the random numbers.

    Attributes
    ----------
    encoder_ : TableEncoder
        The encoding of the table.
    n_iter_ : int
        Passes made over every row.
    coefs_, intercepts_ : list of ndarray
        The weights (fan_in, fan_out) and biases (fan_out,) of each layer. The rows of the first weights are numeric
        units, then levels.
    target_mean_, target_scale_ : ndarray of shape (K,)
        Offset and scale of the targets; 0 and 1 for class probabilities.
    schema_ : TableSchema
        The columns of the table at fit.
    n_outputs_ : int
        Number K of target columns.
    task_ : {"classification", "regression"}
        "classification" if every row of the targets at fit was a probability distribution.

    References
    ----------
    I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from tabkd.students import MLPStudent
    >>> X = np.linspace(0, 1, 200).reshape(-1, 1)
    >>> student = MLPStudent(max_iter=50, random_state=0).fit(X, np.sin(6 * X[:, 0]))
    >>> bool(student.score(X, np.sin(6 * X[:, 0])) > 0.99)
    True
    """

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "n_knots": [Interval(Integral, 0, None, closed="left")],
        "max_levels": [Interval(Integral, 1, None, closed="left")],
        "max_units": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "n_jobs": N_JOBS,
        "random_state": ["random_state"],
    }
    _activation = staticmethod(relu)
    on_simplex = True

    def __init__(
        self,
        *,
        hidden_layer_sizes: int | Sequence[int] = (64, 32),
        n_knots: int = 128,
        max_levels: int = 64,
        max_units: int = 288,
        batch_size: int = 128,
        learning_rate_init: float = 0.005,
        weight_decay: float = 1e-4,
        max_iter: int | Literal["auto"] = "auto",
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_knots = n_knots
        self.max_levels = max_levels
        self.max_units = max_units
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.weight_decay = weight_decay
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit_rows(self, real: SoftRows, synthetic: SoftStream) -> None:
        rng = check_random_state(self.random_state)
        self.encoder_ = TableEncoder(
            n_knots=self.n_knots,
            max_levels=self.max_levels,
            max_units=self.max_units,
            n_jobs=self.n_jobs,
            random_state=rng.randint(2**31 - 1),
        ).fit_rows(self.schema_, real)
        held_out = None
        if synthetic.n_rows == 0 and self.max_iter == "auto":
            real, held_out = hold_out(real, rng)
        self._set_layers(self._train(real, synthetic, held_out, rng))

    def _train(
        self, real: SoftRows, synthetic: SoftStream, held_out: SoftRows | None, rng: np.random.RandomState
    ) -> Layers:
        """The layers after all passes, or the best ones if rows are held out for early stopping."""
        trainer = self._trainer(self._first_layers(real, rng))
        progress = Progress(self._loss_of(held_out) if held_out is not None else None)
        passes = n_passes(self.max_iter, len(real) + synthetic.n_rows)
        layers, self.n_iter_ = school(
            trainer,
            self.encoder_,
            self._inputs,
            real,
            synthetic,
            passes,
            self.batch_size,
            self.learning_rate_init,
            progress,
            rng,
        )
        return layers

    def _trainer(self, layers: Layers) -> Trainer:
        loss = cross_entropy if self.task_ == "classification" else squared_error
        return Trainer(layers, self._units(), loss, self.weight_decay, self._activation)

    def _first_layers(self, real: SoftRows, rng: np.random.RandomState) -> Layers:
        sizes = [self.encoder_.n_features_out_, *_layer_sizes(self.hidden_layer_sizes), self.n_outputs_]
        return initial_weights(sizes, self._prior(real), np.random.default_rng(rng.randint(2**31 - 1)))

    def _set_layers(self, layers: Layers) -> None:
        self.coefs_, self.intercepts_ = (list(part) for part in zip(*layers, strict=True))

    def _prior(self, real: SoftRows) -> np.ndarray:
        """The outputs of the best constant: log frequencies, or zero."""
        if self.task_ == "regression":
            return np.zeros(self.n_outputs_)
        return np.log(np.clip(np.average(real.targets, axis=0, weights=real.weights), 1e-6, 1))

    def _loss_of(self, rows: SoftRows) -> Callable[[Layers], float]:
        """The function that computes the mean loss of layers on rows: cross-entropy, or scaled squared error."""

        def loss(layers: Layers) -> float:
            self._set_layers(layers)
            scale = None if self.task_ == "classification" else self.target_scale_
            return loss_of_answers(self.predict_codes(rows.codes), rows, scale)

        return loss

    def _units(self) -> Units:
        return encoded_units(self.encoder_)

    def _inputs(self, rows: SoftRows) -> Batches:
        return encoded_batches(self.encoder_, rows, (rows.targets - self.target_mean_) / self.target_scale_)

    def predict_codes(self, codes: np.ndarray) -> np.ndarray:
        """Predict the targets of encoded rows.

        Parameters
        ----------
        codes : ndarray of shape (n, d), float64
            Rows encoded by `schema_`.

        Returns
        -------
        ndarray of shape (n, K), float64
            Class probabilities, or real values.
        """
        outputs = np.concatenate(
            [self._forward(codes[i : i + _PREDICT_ROWS]) for i in range(0, len(codes), _PREDICT_ROWS)]
        )
        if self.task_ == "classification":
            return softmax(outputs, axis=1)
        return outputs * self.target_scale_ + self.target_mean_

    def _forward(self, codes: np.ndarray) -> np.ndarray:
        """The outputs of the network, float64: sums in float32 would depend on the order of the rows."""
        encoder = self.encoder_
        units = encoder.units(codes).astype(np.float64)
        hidden = units @ self.coefs_[0][: units.shape[1]] + self.intercepts_[0]
        if len(encoder.level_columns_):
            hidden += self.level_weights_[encoder.level_rows(codes)].sum(axis=1, dtype=np.float64)
        for weights, bias in zip(self.coefs_[1:], self.intercepts_[1:], strict=True):
            hidden = self._activation(hidden, np) @ weights + bias
        return hidden

    def write_onnx(self, graph: Graph, inputs: Inputs) -> Tensors:
        """Write what `predict_codes` computes into a graph.

        Parameters
        ----------
        graph : tabkd.onnx.Graph
            Takes the nodes.
        inputs : tabkd.onnx.Inputs
            The columns of the table.

        Returns
        -------
        Tensors
            The targets.
        """
        units, levels = self.encoder_.write_features(graph, inputs)
        weights, parts = [], []
        if units is not None:
            parts.append(units)
            weights.append(self.coefs_[0][: len(self.encoder_.unit_column_)])
        if levels is not None:
            parts.append(levels)
            weights.append(self.level_weights_)
        if not parts:  # every column was constant
            parts.append(graph.zeros(inputs.pieces[0].name, 1))
            weights.append(np.zeros((1, len(self.intercepts_[0]))))
        hidden = graph.gemm(graph.concat(parts, "features"), np.vstack(weights), self.intercepts_[0])
        for weight, bias in zip(self.coefs_[1:], self.intercepts_[1:], strict=True):
            hidden = graph.gemm(graph.node("Relu", [hidden]), weight, bias)
        if self.task_ == "classification":
            return Tensors(graph.node("Softmax", [hidden], axis=1))
        return Tensors(self.write_values(graph, hidden))

    @property
    def level_weights_(self) -> np.ndarray:
        """What each row of `TableEncoder.level_units_` adds to the first layer, float32 of shape (rows, units)."""
        return self.encoder_.level_units_ @ self.coefs_[0][len(self.encoder_.unit_column_) :]


def _layer_sizes(hidden_layer_sizes: int | Sequence[int]) -> list[int]:
    """The sizes of the hidden layers, checked to be whole numbers from 1."""
    sizes = np.atleast_1d(hidden_layer_sizes)
    return [check_scalar(size, "hidden_layer_sizes", Integral, min_val=1) for size in sizes]
