"""Augmenters: they learn a table and draw synthetic rows of it."""

from tabkd.augment._augmenter import Augmenter
from tabkd.augment._jitter import Jitter
from tabkd.augment._marginal import Marginal
from tabkd.augment._mixture import Mixture
from tabkd.augment._mixup import Mixup
from tabkd.augment._munge import Munge

#: The augmenters by the names that the distilled estimators accept.
AUGMENTERS = {"munge": Munge, "marginal": Marginal, "jitter": Jitter, "mixup": Mixup, "mixture": Mixture}

__all__ = ["AUGMENTERS", "Augmenter", "Jitter", "Marginal", "Mixture", "Mixup", "Munge"]
