"""What settings of a network follow from the mixtures that it learns from, and what it can be validated on."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sepvae.errors import ConfigError, InputError
from sepvae.mixing.manifest import Mixture
from sepvae.models.contract import REST
from sepvae.models.network import ConditionalNetwork, TrainingFacts, WaveNetwork
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
        ConfigError: a conditional model with another target, or mixtures of several sources; an objective on waves, and
            mixtures of one.
        InputError: mixtures that do not say who speaks.
    """
    model, conditional = config.model, issubclass(config.model.entry, ConditionalNetwork)
    if conditional:
        _check_conditional(config, train)
    _check_waves(config, train)
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


def output_names(config: TrainingConfig, train: Sequence[Mixture]) -> list[str]:
    """Return what the networks are to give: the sources of the mixtures, and what they leave where that is asked for.

    Raises:
        ConfigError: a source has the name of what is left.
    """
    names = source_names(train)
    if not config.waves.rest or config.objective.entry.domain != "waves":
        return names
    if REST in names:
        raise ConfigError(
            f"waves.rest: the mixtures have a source of the name {REST}: give it another, or set it false"
        )
    return [*names, REST]


def _check_waves(config: TrainingConfig, train: Sequence[Mixture]) -> None:
    """Raise ConfigError when masks are to be learnt from one source: whatever they are, they give the mixture back."""
    masks = config.objective.entry.domain == "waves" and not issubclass(config.model.entry, WaveNetwork)
    if masks and len(names := output_names(config, train)) == 1:
        raise ConfigError(
            f"objective {config.objective.kind} learns to tell sources apart by what they are together, and {names[0]} "
            "is the only one: mix it with another one, or learn clean speech by the preset speech_prior (for 'sepvae "
            "enhance'), clean_source (with --speaker) or conditional_vae (for 'sepvae demix')"
        )


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
