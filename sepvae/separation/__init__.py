"""From a mixture to the waves of its sources."""

from sepvae.separation.masks import apply_masks, make_masks
from sepvae.separation.separator import Separator

__all__ = ["Separator", "apply_masks", "make_masks"]
