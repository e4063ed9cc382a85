"""Teachers: the default one, and how any estimator is asked."""

from tabkd.teachers._default import DefaultTeacherClassifier, DefaultTeacherRegressor

__all__ = ["DefaultTeacherClassifier", "DefaultTeacherRegressor"]
