"""Everything that decides how estimates are made, the weights aside."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, model_validator

from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.estimator import MASKS
from sepvae.estimator.generative import ADDED_UP, GenerativeConfig
from sepvae.frontend.features import NON_NEGATIVE
from sepvae.frontend.frontend import FrontendConfig
from sepvae.frontend.stft import StftConfig
from sepvae.models.contract import ModelChoice
from sepvae.models.network import JointNetwork, SourceNetwork

DIRECT = "direct"


def _mask(name: str) -> str:
    """Return a mask of the table, or `direct`."""
    return MASKS.check(name, beside=[DIRECT])


class EstimatorConfig(Config):
    """Front-end, network, inference and mask.

    `inference` None takes what the encoders make of the mixture; `{kind: generative}` fits the decoders to it, for
    models that were trained on clean sources. `mask` `direct` takes complex estimates as they are, in place of a share
    of the mixture: then they do not add up to it.
    """

    frontend: FrontendConfig = FrontendConfig()
    model: ModelChoice = ModelChoice()
    inference: GenerativeConfig | None = None
    mask: Annotated[str, AfterValidator(_mask)] = "ratio"

    @property
    def mask_stft(self) -> StftConfig | None:
        """The STFT in which a mixture is multiplied by masks, None where it is not: waves, or spectra of their own."""
        masks = issubclass(self.model.entry, (SourceNetwork, JointNetwork)) and self.mask != DIRECT
        return self.frontend.stft if masks else None

    @model_validator(mode="after")
    def _has_roots(self) -> EstimatorConfig:
        """Refuse negative features for a network that takes roots of them: it would give NaN."""
        kind = self.frontend.input.kind
        if self.model.entry.takes_roots and kind not in NON_NEGATIVE:
            raise ConfigError(
                f"frontend.input.kind = {kind}: model {self.model.kind} takes roots of its input, which must not be "
                f"negative: set frontend.input.kind to magnitude, or to one of {', '.join(NON_NEGATIVE[1:])}"
            )
        return self

    @model_validator(mode="after")
    def _shares_are_the_mask(self) -> EstimatorConfig:
        """Refuse to take shares for anything else than the weights of magnitudes, or to see none of these."""
        kinds = (self.frontend.input.kind, self.frontend.target.kind, self.mask)
        if self.model.entry.gives_shares and kinds != ("magnitude", "magnitude", "ratio"):
            raise ConfigError(
                f"model {self.model.kind} gives shares of magnitudes: set frontend.input.kind and frontend.target.kind "
                f"to magnitude and mask to ratio (they are {', '.join(kinds)})"
            )
        return self

    @model_validator(mode="after")
    def _has_phases(self) -> EstimatorConfig:
        """Refuse to take as a spectrum what has no phase."""
        if self.mask == DIRECT and self.frontend.target.kind != "complex":
            kind = self.frontend.target.kind
            raise ConfigError(
                f"mask direct takes the estimates themselves; frontend.target.kind = {kind} has no phase: set it to "
                f"complex, or mask to {' or '.join(MASKS)}"
            )
        return self

    @model_validator(mode="after")
    def _can_be_fitted(self) -> EstimatorConfig:
        """Refuse to fit what has no decoders, or spectra that do not add up under the likelihood."""
        if self.inference is None:
            return self
        if not issubclass(self.model.entry, SourceNetwork):
            raise ConfigError(f"inference generative fits networks of one source each, {self.model.kind} is none")
        wanted = ADDED_UP[self.inference.likelihood]
        if self.frontend.target.kind != wanted:
            raise ConfigError(
                f"inference.likelihood = {self.inference.likelihood} adds up spectra of the kind {wanted}, "
                f"frontend.target.kind is {self.frontend.target.kind}: set it to {wanted}"
            )
        return self
