"""The students by the names that the distilled estimators and the command take."""

from __future__ import annotations

from tabkd.students._boosted_trees import BoostedTreesStudent
from tabkd.students._mlp import MLPStudent
from tabkd.students._student import Student
from tabkd.students._tree import TreeStudent

#: A further student is one more entry: whatever lists students reads this.
STUDENTS: dict[str, type[Student]] = {"mlp": MLPStudent, "tree": TreeStudent, "boosted_trees": BoostedTreesStudent}


def student_names() -> str:
    """The names as errors list them.

    Examples
    --------
    >>> student_names()
    "'mlp', 'tree', 'boosted_trees'"
    """
    return ", ".join(map(repr, STUDENTS))
