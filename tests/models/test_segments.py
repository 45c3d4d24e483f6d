"""Networks of segments of speech: what they are trained on, and what they are not for."""

from __future__ import annotations

from typing import Any

import pytest

from sepvae.errors import CheckpointError, ConfigError
from sepvae.frontend.frontend import FrontendConfig
from sepvae.models import MODELS
from sepvae.models.contract import ModelChoice
from sepvae.models.segment_network import SegmentNetwork
from sepvae.objectives.contract import ObjectiveChoice
from sepvae.separation.separator import Separator
from sepvae.training.config import OptimiserConfig, TrainingConfig, fresh_checkpoint

from ..contracts.small import settings_of

N_FRAMES = 4
every_model = pytest.mark.parametrize(
    "kind", [kind for kind in MODELS if issubclass(MODELS.resolve(kind), SegmentNetwork)]
)


def training(kind: str, **changes: Any) -> TrainingConfig:
    choice = ModelChoice(kind=kind, settings={"segment_frames": N_FRAMES, **settings_of("model", kind)[0]})
    objective = ObjectiveChoice(kind="hierarchical_elbo" if kind == "fhvae" else "elbo")
    mel = {"kind": "log_mel", "n_mels": 8}
    frontend = FrontendConfig.model_validate({"stft": {"window_ms": 64, "hop_ms": 16}, "input": mel, "target": mel})
    values = {"optimiser": OptimiserConfig(segment_frames=N_FRAMES), "objective": objective, **changes}
    return TrainingConfig(model=choice, frontend=frontend, **values)


@every_model
def test_mel_targets_are_allowed_and_other_segments_are_not(kind: str) -> None:
    assert training(kind).frontend.target.n_mels == 8
    with pytest.raises((ConfigError, ValueError), match=r"codes segments of 4 frames, optimiser.segment_frames is 1"):
        training(kind, optimiser=OptimiserConfig())
    with pytest.raises((ConfigError, ValueError), match=rf"adversarial does not train model {kind}: {kind} learns by"):
        training(kind, objective=ObjectiveChoice(kind="adversarial"))


@every_model
def test_it_is_refused_where_sources_are_separated(kind: str) -> None:
    models = fresh_checkpoint(training(kind), ("speech",))
    with pytest.raises(
        CheckpointError,
        match=rf"{kind} takes no mixtures of one microphone apart. It codes segments of speech: use",
    ):
        Separator([models])
