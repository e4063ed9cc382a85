from tabkd.augment.base import Augmenter
from tabkd.augment.jitter import Jitter
from tabkd.augment.marginal import Marginal
from tabkd.augment.mixture import Mixture
from tabkd.augment.mixup import Mixup
from tabkd.augment.munge import Munge

#: The augmenters by the names that the distilled estimators take.
AUGMENTERS = {"munge": Munge, "marginal": Marginal, "jitter": Jitter, "mixup": Mixup, "mixture": Mixture}

__all__ = ["AUGMENTERS", "Augmenter", "Jitter", "Marginal", "Mixture", "Mixup", "Munge"]
