from tabkd._distilled import DistilledClassifier, DistilledRegressor
from tabkd._version import __version__
from tabkd.scoring import load

__all__ = ["DistilledClassifier", "DistilledRegressor", "__version__", "load"]
