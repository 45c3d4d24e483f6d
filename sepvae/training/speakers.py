"""Who speaks in the mixtures that a conditional model learns from: its classes, and what it can be validated on."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sepvae.errors import ConfigError, InputError
from sepvae.mixing.manifest import Mixture
from sepvae.models.network import ConditionalNetwork
from sepvae.training.batches import source_names
from sepvae.training.config import TrainingConfig

_LOGGER = logging.getLogger(__name__)
_OBJECTIVE = "conditional_elbo"


def with_speakers(
    config: TrainingConfig, train: Sequence[Mixture], valid: Sequence[Mixture]
) -> tuple[TrainingConfig, list[Mixture]]:
    """Return the settings with the speakers of the training mixtures as classes, and what to validate on.

    Models that are not conditional are left as they are, and so are classes that were given. A speaker who is only
    validated on has no class, and is left out.

    Args:
        config: of the training.
        train: mixtures to learn from, of one source each for a conditional model.
        valid: mixtures to validate on.

    Raises:
        ConfigError: a conditional model with another objective or target, or mixtures of several sources.
        InputError: mixtures that do not say who speaks.
    """
    kind, objective = config.model.kind, config.objective.kind
    conditional = issubclass(config.model.entry, ConditionalNetwork)
    if conditional != (objective == _OBJECTIVE):
        raise ConfigError(
            f"model {kind} with objective {objective}: a conditional_vae learns by {_OBJECTIVE}, nothing else does: "
            "set both, as the preset conditional_vae does"
        )
    if not conditional:
        return config, list(valid)
    if config.frontend.target.kind != "power":
        raise ConfigError(
            f"model {kind} is of powers, frontend.target.kind is {config.frontend.target.kind}: set it to power"
        )
    if len(names := source_names(train)) > 1:
        raise ConfigError(
            f"model {kind} is one network for all speakers, each heard alone, and the mixtures have the sources "
            f"{', '.join(names)}: make some of one by 'sepvae mix CORPUS -o speech.jsonl --set sources=[speech]'"
        )
    if config.model.settings["classes"]:
        return config, list(valid)
    classes = sorted({mixture.sources[0].speaker for mixture in train})
    if "" in classes:
        raise InputError(f"model {kind}: some of the mixtures do not say who speaks: mix a corpus with speakers")
    known = [mixture for mixture in valid if mixture.sources[0].speaker in classes]
    if len(known) < len(valid):
        _LOGGER.warning(
            "%d of %d mixtures are not validated on: their speakers have none to train on",
            len(valid) - len(known),
            len(valid),
        )
    return config.model_copy(update={"model": config.model.with_settings(classes=classes)}), known
