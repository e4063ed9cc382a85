"""The metadata of a student, read from its file; anything that tabkd would not write is refused.

A checksum proves that a file is undamaged, but not who made it. So all metadata is checked: `FACTS` describes each
value, `_check_sums` how values depend on each other, and `check_fit` how they depend on the graph.
"""

from __future__ import annotations

import json
import reprlib
from itertools import pairwise
from typing import Any, NoReturn

import numpy as np

from tabkd._reasons import CONTRIBUTIONS
from tabkd.scoring import _wire as wire
from tabkd.scoring._checks import WrongError, each, either, is_flag, is_text, maybe, number, one_of, record, whole
from tabkd.scoring._column_facts import MOST_CATEGORIES, column_facts
from tabkd.scoring._packed import unpacked
from tabkd.scoring._safety import check_graph

#: Increased when earlier versions can no longer read new files.
FORMAT = 1
_MOST_OUTPUTS = 100_000
_LARGEST = float(np.finfo(np.float32).max)
# The errors that can occur when arbitrary bytes are read as messages.
_NO_MESSAGE = (ValueError, KeyError, AttributeError, TypeError, IndexError, OverflowError)

_INT64 = whole(-(2**63), 2**64 - 1)
_POSITION, _SHARE = whole(0, 1_000_000), number(0, 1)
_BINS = record(edges=each(number()), shares=each(_SHARE))
_DISTANCE = maybe(number(0))
_BAND = record((), rows=whole(0, 2**53), **dict.fromkeys(("50%", "90%", "99%"), _DISTANCE))
_LEVELS = record(levels=each(whole(0, MOST_CATEGORIES)), shares=each(_SHARE))
_RULES = record(columns=each(is_text), values=each(each(maybe(either(number(), is_text)))))
#: The metadata under the key "tabkd".
FACTS = record(
    optional=(
        "classes",
        "classes_dtype",
        "contributions",
        "doubt",
        "further_outputs",
        "least",
        "link",
        "monotone",
        "reference",
        "rules",
        "skill_metric",
    ),
    format=whole(FORMAT, FORMAT),
    tabkd=is_text,
    task=one_of("classification", "regression"),
    n_outputs=whole(1, _MOST_OUTPUTS),
    further_outputs=each(is_text),
    contributions=record(baseline=each(number()), values_per_row=whole(1, 2**53)),
    one_dimensional=is_flag,
    link=one_of("identity", "log", "logit"),
    least=each(number()),
    teacher=is_text,
    student=is_text,
    skill_kept=maybe(number()),
    skill_metric=maybe(is_text),
    doubt=maybe(record(edges=each(number()), bands=each(_BAND))),
    container=one_of("numpy", "pandas", "polars"),
    columns=each(column_facts),
    values=record(optional=("name",), columns=each(_POSITION), centers=each(number()), name=maybe(is_text)),
    rows=record(
        optional=("name",),
        columns=each(_POSITION),
        tables=each(maybe(record(categories=each(number()), rows=each(_INT64)))),
        name=maybe(is_text),
    ),
    filled=maybe(
        record(
            optional=("name",),
            fill=each(number(-_LARGEST, _LARGEST)),
            indicators=each(_POSITION),
            name=maybe(is_text),
        )
    ),
    rules=is_text,
    classes=each(either(is_flag, _INT64, number(), is_text)),
    monotone=record(increasing=each(_POSITION), decreasing=each(_POSITION)),
    classes_dtype=one_of("b", "i", "u", "f", "O", "U"),
    reference=record(
        optional=("rows", "columns"),
        rows=whole(1, 2**53),
        missing=each(_SHARE),
        edges=each(number()),
        shares=each(_SHARE),
        columns=each(maybe(either(_BINS, _LEVELS))),
    ),
)
_CLASS_TYPES: dict[str, tuple[type, ...]] = {"b": (bool,), "i": (int,), "u": (int,), "f": (float, int), "U": (str,)}


def has_facts(content: bytes) -> bool:
    """Whether bytes are an ONNX model that tabkd wrote, or too damaged to tell."""
    try:
        return "tabkd" in wire.metadata(content)
    except _NO_MESSAGE:
        return True


def read_facts(content: bytes, source: str) -> dict[str, Any]:
    """The metadata of a model whose graph can be run.

    Parameters
    ----------
    content : bytes
        The model.
    source : str
        The name of the model in errors.

    Raises
    ------
    ValueError
        If the bytes are not an ONNX model that tabkd wrote, or the model has another format, is damaged, or has parts
        that no student has.
    """
    try:
        entries = wire.metadata(content)
        wire.nodes(content)
    except _NO_MESSAGE as error:
        raise unreadable(source, error) from error
    if "tabkd" not in entries:
        raise ValueError(
            f"{source} is an ONNX model, but not one that tabkd wrote: it has no metadata 'tabkd'. Score it "
            "with onnxruntime.InferenceSession, or export a distilled model with to_onnx."
        )
    try:
        facts = json.loads(entries["tabkd"], parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise unreadable(source, error) from error
    given = facts.get("format") if isinstance(facts, dict) else None
    if isinstance(given, int) and given != FORMAT:
        raise ValueError(
            f"{source} has format {reprlib.repr(given)}, written by tabkd {reprlib.repr(facts.get('tabkd'))}; this "
            f"version reads format {FORMAT}. Update tabkd."
        )
    if not wire.is_whole(content):
        raise ValueError(
            f"{source} is damaged: its checksum is wrong, so it is not byte for byte what was written, and nothing "
            "proves its scores. Write it again with model.to_onnx(path), or score it with onnxruntime alone."
        )
    try:
        facts = FACTS(facts, "metadata")
        if "rules" in facts:
            facts["rules"] = _read_rules(facts["rules"])
        _check_sums(facts)
        check_graph(content)
        check_fit(content, facts)
    except WrongError as error:
        raise ValueError(f"{source} is damaged: {error}. Write it again with model.to_onnx(path).") from error
    except (*_NO_MESSAGE, RecursionError) as error:
        raise unreadable(source, error) from error
    return facts


def _read_rules(text: str) -> dict[str, list]:
    """The columns and rows of the rules, which a file holds column by column, because that packs better."""
    try:
        rules = _RULES(unpacked(text), "rules")
    except (ValueError, RecursionError) as error:
        raise WrongError(f"its metadata has rules that cannot be read ({error})") from error
    names, values = rules["columns"], rules["values"]
    fit = len(values) == len(names) and len({len(column) for column in values}) <= 1
    _require(fit, "its metadata has rules of other columns than it names")
    return {"columns": names, "rows": [list(row) for row in zip(*values, strict=True)]}


def unreadable(source: str, error: BaseException) -> ValueError:
    """The error for a file that is not a complete model."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return ValueError(
        f"{source} is not a whole ONNX file of tabkd ({reason:.300}). It may be cut off, damaged or of another kind; "
        "write it again with model.to_onnx(path)."
    )


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number in JSON")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise WrongError(what)


def _check_sums(facts: dict[str, Any]) -> None:
    """Refuse values of the metadata that contradict each other."""
    columns, values, rows, filled = facts["columns"], facts["values"], facts["rows"], facts["filled"]
    names = [(type(column["name"]), column["name"]) for column in columns]
    _require(0 < len(columns) == len(set(names)), "its metadata has no columns, or two with the same name")
    for column in columns:
        _check_column(column)
    for part, kind in ((values, "numeric"), (rows, "categorical")):
        positions = part["columns"]
        fit = all(i < len(columns) and columns[i]["kind"] == kind for i in positions)
        _require(fit and len(set(positions)) == len(positions), f"its metadata names columns that are not {kind}")
    # Blocks of a matrix are read in this order.
    _require(values["columns"] == sorted(values["columns"]), "the numeric columns in its metadata are out of order")
    _require(len(values["centers"]) == len(values["columns"]), "its metadata has other centers than columns")
    _require(len(rows["tables"]) == len(rows["columns"]), "its metadata has other tables than columns")
    for i, table in zip(rows["columns"], rows["tables"], strict=True):
        n = columns[i]["n_categories"]
        if table is not None:
            fit = len(set(table["categories"])) == len(table["categories"]) == n and len(table["rows"]) == n + 2
            _require(fit, f"its metadata has other categories of column {columns[i]['name']!r:.60} than it says")
    if filled is not None:
        _require(len(filled["fill"]) == len(values["columns"]), "its metadata fills other columns than it has")
        n = len(values["columns"])
        unique = len(set(filled["indicators"])) == len(filled["indicators"])
        _require(unique and all(k < n for k in filled["indicators"]), "its metadata indicates columns that it lacks")
    if "monotone" in facts:
        positions = facts["monotone"]["increasing"] + facts["monotone"]["decreasing"]
        fit = all(i < len(columns) and columns[i]["kind"] == "numeric" for i in positions)
        _require(fit and len(set(positions)) == len(positions), "its metadata calls wrong columns monotone")
    _check_outputs(facts)
    if facts.get("doubt") is not None:
        _check_doubt(facts["doubt"])
    if "reference" in facts:
        _check_reference(facts["reference"], columns)
    if CONTRIBUTIONS in facts:
        fit = len(facts[CONTRIBUTIONS]["baseline"]) == n_raw_scores(facts)
        _require(fit, "its metadata has other baselines of contributions than scores")
        _require(CONTRIBUTIONS in _further(facts), "its metadata has a baseline, but no contributions")


def _check_column(column: dict[str, Any]) -> None:
    name, low, high = column["name"], column["low"], column["high"]
    _require((low is None) == (high is None), f"column {name!r:.60} in its metadata has half a range")
    _require(low is None or low <= high, f"column {name!r:.60} in its metadata has a range that ends before it begins")
    if column["kind"] == "numeric":
        fit = column["type"] != "STRING" and not column["n_categories"]
        _require(fit, f"column {name!r:.60} in its metadata is of numbers and of text")
    elif column["type"] == "STRING":
        _require(bool(column["missing"]), f"column {name!r:.60} in its metadata has no word for a missing value")


def _check_outputs(facts: dict[str, Any]) -> None:
    bounds = facts.get("least", [])
    fit = len(bounds) in (0, facts["n_outputs"])
    _require(fit, f"its metadata has {len(bounds)} bounds for {facts['n_outputs']} outputs")
    if facts["task"] == "regression":
        fit = not facts["one_dimensional"] or facts["n_outputs"] == 1
        _require(fit, f"its metadata has {facts['n_outputs']} outputs, but one_dimensional is true")
        return
    _require("classes" in facts and "classes_dtype" in facts, "its metadata has no classes")
    classes, kind = facts["classes"], facts["classes_dtype"]
    n = facts["n_outputs"]
    _require(len(classes) == n, f"its metadata has {len(classes)} classes, but {n} outputs")
    keys = {(isinstance(c, bool), type(c) is str, c) for c in classes}
    _require(len(keys) == n, "its metadata has a class twice")
    types = _CLASS_TYPES.get(kind, (str, int, float))
    fit = all(isinstance(c, types) and (kind in "bO" or not isinstance(c, bool)) for c in classes)
    bounds = {"i": (-(2**63), 2**63 - 1), "u": (0, 2**64 - 1)}.get(kind)
    fit = fit and (bounds is None or all(bounds[0] <= c <= bounds[1] for c in classes))
    _require(fit, f"its metadata has classes that are not of the type {kind!r}")


def _check_doubt(doubt: dict[str, Any]) -> None:
    edges = doubt["edges"]
    fit = len(doubt["bands"]) == len(edges) + 1 and all(a < b for a, b in pairwise(edges))
    _require(fit, "its metadata has edges and bands of doubt that do not fit")


def _check_reference(reference: dict[str, Any], columns: list[dict[str, Any]]) -> None:
    _require(len(reference["missing"]) == len(columns), "its metadata has shares of other columns than it has")
    _check_bins(reference)
    parts = reference.get("columns")
    if parts is None:
        return
    fit = len(parts) == len(columns) and "rows" in reference
    _require(fit, "its metadata has shares of other columns than it has")
    for part, column in zip(parts, columns, strict=True):
        if part is None:
            continue
        numeric = column["kind"] == "numeric"
        fit = ("edges" in part) == numeric
        if fit and numeric:
            fit = column["low"] is not None
            _check_bins(part)
        elif fit:
            levels = part["levels"]
            fit = len(part["shares"]) == len(levels) + 1 and len(set(levels)) == len(levels)
            fit = fit and all(level < column["n_categories"] for level in levels) and sum(part["shares"]) > 0
        _require(fit, f"its metadata has shares of column {column['name']!r:.60} that do not fit it")


def _check_bins(part: dict[str, Any]) -> None:
    edges, shares = part["edges"], part["shares"]
    fit = len(shares) == len(edges) + 1 and all(a < b for a, b in pairwise(edges))
    _require(fit and sum(shares) > 0, "its metadata has bins whose edges and shares do not fit")


def is_matrix(facts: dict[str, Any]) -> bool:
    """Whether the columns of a model are one matrix of numbers, the input "X"."""
    return all(column["input"] == "X" and column["kind"] == "numeric" for column in facts["columns"])


def scores_name(facts: dict[str, Any]) -> str:
    """The name of the output with the scores."""
    return "probabilities" if facts["task"] == "classification" else "variable"


def n_raw_scores(facts: dict[str, Any]) -> int:
    """The number of scores that contributions explain: one for two classes."""
    n = facts["n_outputs"]
    return 1 if facts["task"] == "classification" and n == 2 else n


def further_shapes(content: bytes, facts: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shape of a row of each output other than the scores and the label, by its name."""
    outputs = wire.outputs(content)
    return {name: tuple(int(size or 0) for size in outputs[name].shape[1:]) for name in _further(facts)}


def _further(facts: dict[str, Any]) -> list[str]:
    return facts.get("further_outputs", [])


def check_fit(content: bytes, facts: dict[str, Any]) -> None:
    """Refuse metadata with other inputs, outputs and nodes than the graph has.

    Raises
    ------
    ValueError
        If the metadata do not fit the graph.
    """
    inputs, outputs = wire.inputs(content), wire.outputs(content)
    if is_matrix(facts):
        expected = {"X": (facts["columns"][0]["type"], len(facts["columns"]))}
        _require(len({column["type"] for column in facts["columns"]}) == 1, "its metadata has a matrix of two types")
    else:
        names = [column["input"] for column in facts["columns"]]
        _require(len(set(names)) == len(names), "two columns in its metadata have one input")
        expected = {column["input"]: (column["type"], 1) for column in facts["columns"]}
    found = {name: (tensor.type, tensor.shape[-1] if tensor.shape else None) for name, tensor in inputs.items()}
    for name, tensor in expected.items():
        _require(
            found.get(name) == tensor,
            f"its metadata has the input {name!r:.60} as {_shown(tensor)}, but the graph as {_shown(found.get(name))}",
        )
    _require(set(found) == set(expected), "its graph has inputs that its metadata does not name")
    output = scores_name(facts)
    width = outputs[output].shape[-1] if output in outputs and outputs[output].shape else None
    _require(output in outputs, f"its graph has no output {output!r}")
    n = facts["n_outputs"]
    _require(width is None or width == n, f"its metadata has {n} outputs, but the graph {width}")
    for name in _further(facts):
        fit = name in outputs and outputs[name].type == "FLOAT" and len(outputs[name].shape) in (2, 3)
        _require(fit and None not in outputs[name].shape[1:], f"its graph has no output {name!r:.60} of some columns")
    if CONTRIBUTIONS in facts:
        d, n_scores = len(facts["columns"]), n_raw_scores(facts)
        fit = outputs[CONTRIBUTIONS].shape[1:] == ([d] if n_scores == 1 else [n_scores, d])
        _require(fit, "its graph has contributions of other columns than its metadata")
    made = {name for node in wire.nodes(content) for name in node.outputs}
    parts = [] if is_matrix(facts) else [facts["rows"], facts["filled"] or facts["values"]]
    parts = [part for part in parts if part.get("columns", part.get("fill"))] + [facts["filled"]] * bool(
        facts["filled"]
    )
    for part in parts:
        name = part.get("name")
        _require(name in made, f"its metadata has the name {name!r:.60}, which is not in the graph")


def _shown(tensor: tuple[str, int | None] | None) -> str:
    return "none" if tensor is None else f"{tensor[0]} of {tensor[1]} columns"


def category_tables(content: bytes, facts: dict[str, Any]) -> list[tuple[list, np.ndarray]]:
    """Categories and rows of each categorical column, from its LabelEncoder or the metadata.

    The rows of the categories are followed by the row of an unseen and that of a missing category.

    Raises
    ------
    ValueError
        If the graph has no LabelEncoder with as many categories.
    """
    part, tables = facts["rows"], []
    makers = {name: node for node in wire.nodes(content) for name in node.outputs}
    inputs = makers[part["name"]].inputs if part["columns"] else []
    _require(len(inputs) == len(part["columns"]), "its graph looks up other columns than its metadata names")
    for i, name, given in zip(part["columns"], inputs, part["tables"], strict=True):
        column = facts["columns"][i]
        if given is not None:
            _require(column["type"] != "STRING", f"its metadata has numbers as categories of {column['name']!r:.60}")
            tables.append((given["categories"], np.array(given["rows"], dtype=np.int64)))
            continue
        entry = wire.attributes(makers[name]) if name in makers else {}
        kinds = ["keys_strings"] if column["type"] == "STRING" else ["keys_floats", "keys_int64s"]
        keys: Any = next((entry[kind] for kind in kinds if entry.get(kind)), [])
        values: Any = entry.get("values_int64s")
        unseen = entry.get("default_int64")
        # The categories are followed by the spellings of a missing value, all with the same row.
        n = column["n_categories"]
        fit = isinstance(keys, list) and isinstance(values, list) and isinstance(unseen, int)
        fit = fit and n < len(keys) == len(values)
        _require(fit, f"its graph has other categories of column {column['name']!r:.60} than its metadata")
        _require(
            len(set(keys)) == len(keys) and all(key == key for key in keys),
            f"its graph has a category of column {column['name']!r:.60} twice",
        )
        tables.append((keys[:n], np.array([*values[:n], unseen, values[-1]], dtype=np.int64)))
    return tables
