"""Students: small scikit-learn regressors on soft targets."""

from tabkd.students._boosted_trees import BoostedTreesStudent
from tabkd.students._encoder import TableEncoder
from tabkd.students._mlp import MLPStudent
from tabkd.students._tree import TreeStudent

#: The students by the names that the distilled estimators accept.
STUDENTS = {"mlp": MLPStudent, "tree": TreeStudent, "boosted_trees": BoostedTreesStudent}

__all__ = ["STUDENTS", "BoostedTreesStudent", "MLPStudent", "TableEncoder", "TreeStudent"]
