"""From one of our estimators to the nodes of its graph."""

from __future__ import annotations

import numpy as np

from tabkd._export.foreign import write_foreign
from tabkd.onnx._graph import Graph
from tabkd.onnx._heads import write_labels, write_probabilities
from tabkd.onnx._inputs import Front, Inputs
from tabkd.students import BoostedTreesStudent, MLPStudent, TableEncoder, TreeStudent
from tabkd.students._mlp_graph import encoder_front, write_encoder, write_mlp
from tabkd.students._tree_graph import ordinal_front, write_boosted_trees, write_tree

_FRONTS = {MLPStudent: encoder_front, TreeStudent: ordinal_front, BoostedTreesStudent: ordinal_front}
_WRITERS = {
    TableEncoder: write_encoder,
    MLPStudent: write_mlp,
    TreeStudent: write_tree,
    BoostedTreesStudent: write_boosted_trees,
}


def convert(scope, operator, container) -> None:
    """Write the nodes of a distilled estimator, a student or a `TableEncoder`.

    Raises
    ------
    ValueError
        Where the inputs do not fit the table that the model was fitted on.
    NotImplementedError
        For a student that skl2onnx cannot convert.
    """
    model, graph = operator.raw_operator, Graph(scope, container)
    distilled = hasattr(model, "student_")
    if distilled and _writer(model.student_) is None:
        targets = write_foreign(graph, scope, operator)
        on_simplex = False
    else:
        part = model.student_ if distilled else model
        targets = _writer(part)(graph, Inputs(graph, operator.inputs, part.schema_), part)
        on_simplex = True
    if not hasattr(model, "classes_"):
        graph.node("Identity", [targets], operator.outputs[0].full_name)
        return
    label, probabilities = (output.full_name for output in operator.outputs)
    write_probabilities(graph, targets, model.temperature, on_simplex, probabilities)
    write_labels(graph, probabilities, model.classes_, label)


def front_of(model) -> Front:
    """What the student of a distilled estimator reads."""
    front = _for(_FRONTS, model.student_)
    if front is not None:
        return front(model.student_.encoder_)
    numeric = model._schema.positions("numeric")
    return Front(numeric, np.zeros(len(numeric)), [])


def _writer(part):
    return _for(_WRITERS, part)


def _for(table, part):
    return next((entry for kind, entry in table.items() if isinstance(part, kind)), None)
