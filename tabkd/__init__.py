from tabkd._version import __version__
from tabkd.distiller import DistilledClassifier, DistilledRegressor

__all__ = ["DistilledClassifier", "DistilledRegressor", "__version__"]
