"""What settings of a network follow from the mixtures that it learns from, and what it can be validated on."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sepvae.errors import ConfigError, InputError
from sepvae.mixing.manifest import Mixture
from sepvae.models.network import ConditionalNetwork, TrainingFacts
from sepvae.training.batches import source_names
from sepvae.training.config import TrainingConfig

_LOGGER = logging.getLogger(__name__)


def with_facts(
    config: TrainingConfig, train: Sequence[Mixture], valid: Sequence[Mixture]
) -> tuple[TrainingConfig, list[Mixture]]:
    """Return the settings with what follows from the training mixtures, and what to validate on.

    Settings that were given are left as they are. A speaker who is only validated on has no class in a conditional
    model, and is left out where the classes follow from the mixtures.

    Args:
        config: of the training.
        train: mixtures to learn from, of one source each for a conditional model.
        valid: mixtures to validate on.

    Raises:
        ConfigError: a conditional model with another target, or mixtures of several sources.
        InputError: mixtures that do not say who speaks.
    """
    model, conditional = config.model, issubclass(config.model.entry, ConditionalNetwork)
    if conditional:
        _check_conditional(config, train)
    speakers = tuple(sorted({mixture.sources[0].speaker for mixture in train}))
    found = model.entry.settings_from(model.config(), TrainingFacts(len(train), speakers))
    known = list(valid)
    if conditional and found:
        if "" in speakers:
            raise InputError(
                f"model {model.kind}: some of the mixtures do not say who speaks: mix a corpus with speakers"
            )
        known = [mixture for mixture in valid if mixture.sources[0].speaker in speakers]
        if len(known) < len(valid):
            _LOGGER.warning(
                "%d of %d mixtures are not validated on: their speakers have none to train on",
                len(valid) - len(known),
                len(valid),
            )
    return (config.model_copy(update={"model": model.with_settings(**found)}) if found else config), known


def _check_conditional(config: TrainingConfig, train: Sequence[Mixture]) -> None:
    """Raise ConfigError when a network of the powers of single speakers cannot learn from what it is to be given."""
    kind, target = config.model.kind, config.frontend.target.kind
    if target != "power":
        raise ConfigError(f"model {kind} is of powers, frontend.target.kind is {target}: set it to power")
    if len(names := source_names(train)) > 1:
        raise ConfigError(
            f"model {kind} is one network for all speakers, each heard alone, and the mixtures have the sources "
            f"{', '.join(names)}: make some of one by 'sepvae mix CORPUS -o speech.jsonl --set sources=[speech]'"
        )
