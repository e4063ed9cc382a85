"""The students, by the names that the distilled estimators and the command accept."""

from __future__ import annotations

from tabkd.students._additive import AdditiveStudent
from tabkd.students._boosted_trees import BoostedTreesStudent
from tabkd.students._mlp import MLPStudent
from tabkd.students._student import Student
from tabkd.students._tree import TreeStudent

#: A new student needs one more entry here: everything that lists students reads this.
STUDENTS: dict[str, type[Student]] = {
    "mlp": MLPStudent,
    "additive": AdditiveStudent,
    "tree": TreeStudent,
    "boosted_trees": BoostedTreesStudent,
}


def student_names() -> str:
    """The names, as a list for errors.

    Examples
    --------
    >>> student_names()
    "'mlp', 'additive', 'tree', 'boosted_trees'"
    """
    return ", ".join(map(repr, STUDENTS))
