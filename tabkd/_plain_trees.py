"""Which tree ensembles of ONNX other languages can run: those whose trees compare by `<=` and add up."""

from __future__ import annotations

from typing import Any

_PLAIN = {"aggregate_function": b"SUM", "post_transform": b"NONE"}
_MODES = {b"LEAF", b"BRANCH_LEQ"}


def check_plain_trees(given: dict[str, Any], language: str) -> None:
    """Refuse other trees.

    Parameters
    ----------
    given : dict
        The attributes of a `TreeEnsembleRegressor`, as `onnx.helper` reads them.
    language : str
        The language that runs them, for the message.

    Raises
    ------
    NotImplementedError
        For comparisons other than `<=`, and for ensembles that do not add up their trees.

    Examples
    --------
    >>> from tabkd._plain_trees import check_plain_trees
    >>> check_plain_trees({"nodes_modes": [b"BRANCH_LEQ", b"LEAF", b"LEAF"]}, "SQL")
    """
    odd = [f"{name} {given[name].decode()}" for name, plain in _PLAIN.items() if given.get(name, plain) != plain]
    odd += sorted(f"the mode {mode.decode()}" for mode in set(given["nodes_modes"]) - _MODES)
    if odd:
        raise NotImplementedError(f"{language} cannot run TreeEnsembleRegressor with {odd[0]}.")
