"""The MLP student: a compact network on the units of `TableEncoder`."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from scipy.special import softmax

from tabkd._sklearn import Interval, Options, StrOptions
from tabkd._typing import RandomState
from tabkd.onnx._graph import Graph
from tabkd.onnx._inputs import Inputs
from tabkd.students._encoding.knots import RememberedSplits
from tabkd.students._network.muon import muon
from tabkd.students._network.network import Network
from tabkd.students._network.one_byte import in_bytes, write_layer
from tabkd.students._network.signs import Limits, hidden_roles, limits, reaches
from tabkd.students._network.size import Size, most_unexplained
from tabkd.students._network.training import Layers, Trainer, initial_weights, relu
from tabkd.students._network.walks import Explainer
from tabkd.students._network.walks_graph import write_contributions
from tabkd.students._raw_scores import raw_scaling
from tabkd.students._soft_rows import SoftRows, SoftStream, held_back
from tabkd.students._student_graph import Tensors
from tabkd.students._training.encoded import encoded_units
from tabkd.students._training.lessons import Learner
from tabkd.students._training.student import MinibatchStudent
from tabkd.students._training.unexplained import unexplained

# Rows that a prediction encodes at a time, so that their units stay in the processor's cache.
_PREDICT_ROWS = 4096
# Synthetic rows that show whether a network is large enough.
_LEAST_HELD_BACK, _MOST_HELD_BACK = 20, 4096


class MLPStudent(MinibatchStudent):
    """A compact MLP on soft targets, trained in JAX; prediction needs only NumPy.

    Class probabilities are learnt with soft cross-entropy, real targets with squared error.

    Monotone constraints hold by the signs of the weights (see Notes).

    Parameters
    ----------
    hidden_layer_sizes : int, tuple of int or "auto", default="auto"
        Number of units of each hidden layer. "auto" is (64, 32), or wider if the teacher needs it (see Notes): from
        (128, 64) for many inputs to (256, 128) for few, with three times the knots.
    n_knots : int, default=128
        Most piecewise-linear units of all numeric columns together; see `TableEncoder`.
    max_levels : int, default=64
        Most levels of a categorical column that gets one unit for each level.
    max_units : int, default=288
        Most units of the input in total; with `hidden_layer_sizes` it bounds the size of the exported network. The
        additional knots of the wider network do not count.
    batch_size : int or "auto", default="auto"
        Rows of a minibatch. "auto" is 512, or 256 or 128 for few rows.
    learning_rate_init : float, default=0.02
        The highest learning rate. It is reached after a twentieth of the steps; then the rate falls to zero as a half
        cosine.
    weight_decay : float, default=0.1
        Decoupled weight decay: a step takes the learning rate times this share off each weight.
    weight_bits : {8, 32}, default=8
        Bits of a weight in the exported file: 32 for float32. With 8, each weight is rounded after training to one of
        255 numbers of its unit. The file has about a third of the bytes; scoring is as fast, and ONNX Runtime
        reproduces the predictions as exactly.
    max_iter : int or "auto", default="auto"
        Passes over every row. "auto" passes over half a million to two million rows in total (see Notes), at least once
        and at most 200 times over each. Without synthetic rows it holds out a tenth of the rows for early stopping.
    monotonic_cst : array of shape (d,), dict of column to direction, or None, default=None
        1 for each column with which predictions may only rise, -1 with which they may only fall, and 0 for a free one,
        which a dict may leave out. A prediction is the value of the only target, or the probability of the second of
        two classes. A missing value may give any prediction.
    n_jobs : int or None, default=None
        Threads of the surrogate that places the knots; None for all cores.
    random_state : int, RandomState instance or None, default=None
        Seed, or generator of the random numbers.

    Attributes
    ----------
    encoder_ : TableEncoder
        The encoding of the table.
    hidden_layer_sizes_ : tuple of int
        The units of each hidden layer, which show whether the network was made wider.
    unexplained_ : float
        The error on held-out synthetic rows as a share of the best constant's: Kullback-Leibler divergence for
        probabilities, squared error for values. If none were held out, the error on real rows.
    n_iter_ : int
        Passes made over every row.
    coefs_, intercepts_ : list of ndarray
        The weights (fan_in, fan_out) and biases (fan_out,) of each layer. The rows of the first weights are numeric
        units, then levels.
    target_mean_, target_scale_ : ndarray of shape (K,)
        Offset and scale of the targets; 0 and 1 for class probabilities.
    monotonic_cst_ : int8 ndarray of shape (d,)
        The direction of each column.
    schema_ : TableSchema
        The columns of the table at fit.
    n_outputs_ : int
        Number K of target columns.
    task_ : {"classification", "regression"}
        "classification" if every row of the targets at fit was a probability distribution.

    Notes
    -----
    Held-out synthetic rows decide what "auto" means; labels are not needed. A student has learnt enough if it leaves at
    most 1.5 % of the teacher's answers to them unexplained; or 15 % of the share by which the labels of real rows
    differ from the answers, because a teacher that is often wrong need not be followed so closely; or 8 divided by the
    number of real rows, because few rows show a teacher only roughly; but at most 20 %.

    At first a network passes over a million rows, with only the first chunk of synthetic ones. (This stage is skipped
    if the number of synthetic rows is not "auto", because then they were requested.) If that is not enough, training
    starts again with all chunks: with `hidden_layer_sizes` "auto", a wider network passes over half a million rows;
    otherwise one of the given sizes passes over two million. Without the first stage, "auto" begins with (64, 32) and
    two million rows.

    The hidden layers' weights are learnt by Muon (Jordan et al., 2024), with steps as large as those of Adam (Liu et
    al., 2025); biases, the last layer and weights that monotone constraints limit by Adam.

    With `monotonic_cst`, half of the units of each hidden layer are free and read no constrained column; the others
    rise or fall with the constrained columns in their directions. A weight of the wrong sign is set to zero after each
    step (projected gradient), so each output is monotone on every row. The network and its graph are otherwise the
    same. Daniels and Velikova (2010) prove monotone networks by the signs of their weights.

    References
    ----------
    H. Daniels, M. Velikova, "Monotone and Partially Monotone Neural Networks", IEEE Transactions on Neural Networks
    21(6), 2010.
    K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.
    J. Liu et al., "Muon is Scalable for LLM Training", 2025.
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
        **MinibatchStudent._parameter_constraints,
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "weight_bits": [Options(Integral, {8, 32})],
    }
    _activation = staticmethod(relu)
    _optimizer = staticmethod(muon)
    _walks: Explainer | None = None
    _size: Size

    def __init__(
        self,
        *,
        hidden_layer_sizes: int | Sequence[int] | Literal["auto"] = "auto",
        n_knots: int = 128,
        max_levels: int = 64,
        max_units: int = 288,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate_init: float = 0.02,
        weight_decay: float = 0.1,
        weight_bits: Literal[8, 32] = 8,
        max_iter: int | Literal["auto"] = "auto",
        monotonic_cst: Any = None,
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
        self.weight_bits = weight_bits
        self.max_iter = max_iter
        self.monotonic_cst = monotonic_cst
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit_rows(self, real: SoftRows, synthetic: SoftStream) -> None:
        size = Size.of(self.hidden_layer_sizes, self.n_knots, self.max_units, self.weight_bits)
        can_be_brief = self.max_iter == "auto" and synthetic.is_optional
        can_grow = isinstance(self.hidden_layer_sizes, str)
        if synthetic.n_rows and (can_be_brief or can_grow):
            unlearnt, first, rest = held_back(synthetic, _MOST_HELD_BACK)
            if np.count_nonzero(unlearnt.weights) >= _LEAST_HELD_BACK:
                self._fit_as_needed(size, real, unlearnt, first if can_be_brief else None, rest, can_grow)
                return
        self._fit_sized(size, real, synthetic)
        self.unexplained_ = self._share_left(real)

    def _fit_as_needed(
        self, size: Size, real: SoftRows, unlearnt: SoftRows, first: SoftStream | None, rest: SoftStream, can_grow: bool
    ) -> None:
        """Train briefly on the first chunk, then longer or a wider network, until it follows the teacher."""
        stages = [(size.brief(), first)] if first is not None else []
        if first is None or not can_grow:
            stages.append((size, rest))
        if can_grow:
            stages.append((size.wider(), rest))
        most = most_unexplained(rest.noise, len(real))
        self._find_splits = RememberedSplits()
        try:
            for stage, rows in stages:
                self._fit_sized(stage, real, rows)
                self.unexplained_ = self._share_left(unlearnt)
                rest.note(
                    f"MLP {self.hidden_layer_sizes_}, {self.n_iter_} × {len(real) + rows.n_rows:,} rows: "
                    f"{self.unexplained_:.1%} of the teacher unexplained ({most:.1%} is good enough)"
                )
                if self.unexplained_ <= most:
                    return
        finally:
            del self._find_splits  # it holds the encoded table

    def _fit_sized(self, size: Size, real: SoftRows, synthetic: SoftStream) -> None:
        self._size = size
        super()._fit_rows(real, synthetic)

    def _share_left(self, rows: SoftRows) -> float:
        scale = None if self.task_ == "classification" else self.target_scale_
        return unexplained(self.predict_codes, rows, scale)

    def _rows_in_all(self) -> int:
        return self._size.rows_in_all

    def _unit_limits(self) -> tuple[int, int]:
        return self._size.n_knots, self._size.max_units

    def _trainer(self, real: SoftRows, rng: np.random.RandomState) -> Learner:
        self.hidden_layer_sizes_ = self._size.layers(self.encoder_.n_features_out_)
        sizes = [self.encoder_.n_features_out_, *self.hidden_layer_sizes_, self.n_outputs_]
        layers = initial_weights(sizes, self._prior(real), np.random.default_rng(rng.randint(2**31 - 1)))
        units = encoded_units(self.encoder_)
        how = self._loss(), self.weight_decay, self._activation, self._limits(), self._optimizer
        return Trainer(layers, units, *how)

    def _set_weights(self, weights: Layers) -> None:
        self.coefs_, self.intercepts_ = (list(part) for part in zip(*weights, strict=True))
        self.coefs_ = [self._stored(weights) for weights in self.coefs_]
        self._walks = None

    def _limits(self) -> list[Limits]:
        """The limits of the weights of each layer, by which the constraints hold; none without constraints."""
        if not self.monotonic_cst_.any():
            return []
        columns, levels = self.encoder_.rising_columns(), np.zeros(self.encoder_.n_levels_, np.int8)
        inputs = np.concatenate([np.where(columns < 0, 0, self.monotonic_cst_[columns]), levels])
        sizes = self.hidden_layer_sizes_
        # Of two outputs the softmax reads the difference.
        outputs = np.array([1]) if self.n_outputs_ == 1 else np.array([-1, 1])
        return limits([inputs, *(hidden_roles(size, bool((inputs == 0).any())) for size in sizes), outputs])

    def proved_monotone(self) -> np.ndarray:
        """Prove the constraints by the signs of the weights: no path from a column to the output turns its direction.

        Returns
        -------
        int8 array of shape (d,)
            `monotonic_cst_`, with 0 for each column whose constraint is not proved.
        """
        proved = self.monotonic_cst_.copy()
        columns = np.flatnonzero(proved)
        if not len(columns) or self._activation is not relu:  # signs prove nothing of an activation that may fall
            return np.zeros_like(proved)
        units = self.encoder_.rising_columns()
        last = self.coefs_[-1]
        last = np.diff(last, axis=1) if self.task_ == "classification" else last
        weights = [self.coefs_[0][: len(units)], *self.coefs_[1:-1], last]
        can_rise, can_fall = reaches(weights, columns[:, None] == units)
        wrong = np.where(proved[columns] > 0, can_fall[:, 0], can_rise[:, 0])
        proved[columns[wrong]] = 0
        return proved

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
        hidden = write_layer(graph, graph.concat(parts, "features"), np.vstack(weights), self.intercepts_[0])
        for weight, bias in zip(self.coefs_[1:], self.intercepts_[1:], strict=True):
            hidden = write_layer(graph, graph.node("Relu", [hidden]), weight, bias)
        if self.task_ == "classification":
            return Tensors(graph.node("Softmax", [hidden], axis=1))
        return Tensors(self.write_values(graph, hidden))

    def raw_scores(self, codes: np.ndarray) -> np.ndarray:
        """Compute the scores that contributions add up to.

        Parameters
        ----------
        codes : ndarray of shape (n, d), float64
            Rows encoded by `schema_`.

        Returns
        -------
        ndarray of shape (n, M), float64
            Log-odds of the second of two classes, log-probabilities minus their mean, or real values.
        """
        factors, offset = self._raw_scaling()
        return self._forward(codes) @ factors + offset

    def explain_codes(self, codes: np.ndarray) -> np.ndarray:
        """Compute how much each column contributes to the raw scores of a row, by walks from background rows.

        Parameters
        ----------
        codes : ndarray of shape (n, d), float64
            Rows encoded by `schema_`.

        Returns
        -------
        ndarray of shape (n, M, d), float64
            Estimates of Shapley values whose sum is exact up to float32.

        References
        ----------
        R. Mitchell, J. Cooper, E. Frank, G. Holmes, "Sampling Permutations for Shapley Value Estimation",
        JMLR 23, 2022.
        """
        return self._explainer().explain(codes)

    def write_contributions(self, graph: Graph, inputs: Inputs) -> str:
        """Write what `explain_codes` computes into a graph.

        Parameters
        ----------
        graph : tabkd.onnx.Graph
            Takes the nodes.
        inputs : tabkd.onnx.Inputs
            The columns of the table.

        Returns
        -------
        str
            A tensor of shape (n, d), or (n, M, d) if there are several raw scores; float32.
        """
        return write_contributions(graph, inputs, self._explainer())

    def values_per_explanation(self) -> int:
        """Count the numbers that the graph of the contributions holds for a row at a time.

        Returns
        -------
        int
            Those of the first layer at all steps of the walks.
        """
        return self._explainer().values_per_row()

    def _raw_scaling(self) -> tuple[np.ndarray, np.ndarray]:
        return raw_scaling(self.task_, self.n_outputs_, self.target_mean_, self.target_scale_)

    def _explainer(self) -> Explainer:
        """The walks, made when they are first needed: they take a second or more, and few models need them."""
        if self._walks is None:
            factors, _ = self._raw_scaling()  # a constant, which may be large, contributes nothing
            first = np.vstack([self.coefs_[0][: len(self.encoder_.unit_column_)], self.level_weights_])
            *layers, (weights, bias) = zip([first, *self.coefs_[1:]], self.intercepts_, strict=True)
            network = Network(self.encoder_, [*layers, (weights @ factors, bias @ factors)], len(self.schema_.columns))
            self._walks = Explainer(network, self.background_)
        return self._walks

    @property
    def level_weights_(self) -> np.ndarray:
        """What each row of `TableEncoder.level_units_` adds to the first layer, float32 of shape (rows, units)."""
        units, levels = np.split(self.coefs_[0], [len(self.encoder_.unit_column_)])
        return self._stored(np.vstack([units, self.encoder_.level_units_ @ levels]))[len(units) :]

    def _stored(self, weights: np.ndarray) -> np.ndarray:
        """The weights of a layer as stored in the file."""
        return in_bytes(weights) if self._size.weight_bits == 8 else weights
