"""Teachers: the default one, and the interface of any other.

A distilled estimator takes any of these as its `teacher`:

- an unfitted estimator like those of scikit-learn, which is cloned and fitted;
- a fitted one in `sklearn.frozen.FrozenEstimator`, which is used as it is;
- a fitted model whose `fit` is not scikit-learn's, such as AutoGluon's `TabularPredictor`, which is used as it is;
- your own object without a `fit`. For classification it has ``predict_proba(X)``, which returns an array of shape (n,
  K) in the order of an attribute `classes_`, or a frame whose columns are named after the classes. For regression it
  has ``predict(X)``, which returns n numbers, or a column for each target.

A column of a frame belongs to the class with the same name. Names may also be the classes as text, ``"0"`` for 0 or
``"True"`` for True, or have H2O's form, ``"p0"`` for 0. Any other names are an error. An object without `predict_proba`
may have a `predict` like H2O's, which returns a frame whose first column is called ``predict``, followed by one for
each class. With two classes, an array or a series of shape (n,) holds the probabilities of the second one.
"""

from tabkd.teachers._default import DefaultTeacherClassifier, DefaultTeacherRegressor

__all__ = ["DefaultTeacherClassifier", "DefaultTeacherRegressor"]
