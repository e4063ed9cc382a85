"""Students: scikit-learn regressors on soft targets, small enough to ship."""

from tabkd.students.boosted_trees import BoostedTreesStudent
from tabkd.students.encoder import TableEncoder
from tabkd.students.mlp import MLPStudent
from tabkd.students.tree import TreeStudent

#: The students by the names that the distilled estimators take.
STUDENTS = {"mlp": MLPStudent, "tree": TreeStudent, "boosted_trees": BoostedTreesStudent}

__all__ = ["STUDENTS", "BoostedTreesStudent", "MLPStudent", "TableEncoder", "TreeStudent"]
