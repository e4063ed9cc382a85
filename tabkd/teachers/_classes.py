"""Which class is which: the labels of `y`, the classes that a teacher states, and the names of its columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

#: The forms in which a class may be written as text.
AS_TEXT = ("{}",)
#: The same for the name of a column; H2O puts a "p" before the label.
AS_COLUMN = ("{}", "p{}")


def stated_classes(model: Any) -> list | None:
    """The classes in the attributes of a fitted model, in the order of its probabilities; None if it has none."""
    for name in ("classes_", "class_labels", "classes"):
        given = getattr(model, name, None)
        if given is not None and not callable(given):
            return plain(given)
    return None


def plain(labels: Iterable) -> list:
    """Labels as Python's own objects.

    Examples
    --------
    >>> plain(np.array([True, False]))
    [True, False]
    """
    return [label.item() if isinstance(label, np.generic) else label for label in labels]


def translated(names: Iterable, classes: Iterable, spellings: Iterable[str] = AS_TEXT) -> list:
    """Translate names to the classes that they mean.

    Names that include all classes stay as they are. Otherwise each name must be the text of exactly one class, and each
    class must have exactly one name; if not, the names stay as they are too.

    Parameters
    ----------
    names : iterable
        Stated classes, or names of columns.
    classes : iterable
        The classes in the form of the result.
    spellings : iterable of str
        The formats in which a name may hold the text of a class.

    Examples
    --------
    >>> translated(["1", "0"], [0, 1])
    [1, 0]
    >>> translated(["pTrue", "pFalse"], [False, True], AS_COLUMN)
    [True, False]
    >>> translated(["0", "1", "2"], [0, 1])
    ['0', '1', '2']
    """
    names, classes = plain(names), plain(classes)
    if set(classes) <= set(names):
        return names
    texts = [str(name) for name in names]
    for spelling in spellings:
        meaning = {spelling.format(label): label for label in classes}
        if len(meaning) == len(classes) and sorted(texts) == sorted(meaning):
            return [meaning[text] for text in texts]
    return names


def check_known(known: Sequence, classes: Iterable, name: str) -> None:
    """Refuse classes that a frozen teacher was not fitted on.

    Parameters
    ----------
    known : sequence
        The classes of the teacher, in the form of `classes`.
    classes : iterable
        Labels that the teacher has to know.
    name : str
        The name of the teacher in the error.

    Raises
    ------
    ValueError
        If the teacher does not know a label.
    """
    unknown = [label for label in plain(classes) if label not in known]
    if unknown:
        raise ValueError(
            f"y holds the classes {unknown[:5]}, which teacher {name} does not know: its classes_ "
            f"are {list(known)[:20]}. Leave those rows out, or fit the teacher on them."
        )


def check_distinct(known: Sequence, name: str) -> None:
    """Refuse classes if two are the same, or only some are text.

    Parameters
    ----------
    known : sequence
        The classes of the teacher.
    name : str
        The name of the teacher in the error.

    Raises
    ------
    ValueError
        If a class occurs twice, or only some classes are text.
    """
    if len(set(known)) < len(known) or len({isinstance(label, str) for label in known}) > 1:
        raise ValueError(
            f"the classes of teacher {name} are {list(known)[:20]}; each has to occur once, and either all or none "
            "must be text. Leave out columns that are not classes."
        )


def aligned(names: Sequence, classes: Sequence, name: str) -> list[int]:
    """The position of the column of each class, in a frame that a teacher returned.

    Parameters
    ----------
    names : sequence
        The names of the frame's columns.
    classes : sequence
        The classes of the teacher.
    name : str
        The name of the teacher in the error.

    Raises
    ------
    ValueError
        If the names are not the classes.
    """
    found = translated(names, classes, AS_COLUMN)
    if len(found) != len(classes) or set(found) != set(classes):
        raise ValueError(
            f"teacher {name} gave probabilities in the columns {list(names)[:20]}, but its classes are "
            f"{list(classes)[:20]}. Name the columns after the classes, or return an array in the order of classes_."
        )
    return [found.index(label) for label in classes]
