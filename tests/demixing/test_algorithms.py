"""The algorithms on spectra: their usual settings, who is known, the start, and entries of somebody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from sepvae import plugins
from sepvae.config import parse_config
from sepvae.demixing import ALGORITHMS, UPDATES
from sepvae.demixing.algorithm import AlgorithmChoice, BlindConfig, DemixingAlgorithm
from sepvae.demixing.covariance import Observation
from sepvae.demixing.demixer import Demixer
from sepvae.demixing.fastmvae2 import FastMvae2Variances
from sepvae.demixing.ilrma import IlrmaVariances
from sepvae.demixing.mvae import MvaeVariances
from sepvae.demixing.speech_model import match_speakers
from sepvae.demixing.updates import iterative_projection, takes_past
from sepvae.errors import ConfigError
from sepvae.models.conditional import ConditionalVae
from sepvae.systems.demixing import DemixingSystemConfig
from sepvae.testing.algorithms import make_model


def usual(name: str) -> dict[str, Any]:
    return AlgorithmChoice.of(name).settings


def test_the_published_fastmvae2_makes_no_step_and_the_refined_one_does(voices: Any) -> None:
    published, refined = (
        AlgorithmChoice.of(name).build(make_model(voices())) for name in ("fastmvae2", "fastmvae2_refined")
    )
    assert type(published.variances(1, None)) is FastMvae2Variances
    assert type(refined.variances(1, None)) is MvaeVariances
    assert "steps" not in usual("fastmvae2")
    assert (usual("fastmvae2")["iterations"], usual("fastmvae2")["tolerance"]) == (60, 1e-4)
    assert usual("fastmvae2_refined") == {**usual("mvae"), "steps": 3}
    assert usual("mvae")["steps"] == 5


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if ALGORITHMS.resolve(name).needs_model])
def test_algorithms_with_a_model_start_from_the_same(talkers: Any, voices: Any, name: str) -> None:
    """More iterations of AuxIVA in front are more iterations in front, and none is none."""
    settings = {"iterations": 1, "precision": "32-true"}
    images = [
        AlgorithmChoice.of(name, {**settings, "start_iterations": n})
        .build(make_model(voices()))
        .separate(talkers().spectrum, n_sources=2, sample_rate=16000)
        .images
        for n in (0, 5)
    ]
    assert not torch.allclose(images[0], images[1])


def classes(*places: int) -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor([places]), 3).float()


class Listener:
    """A network that tells classes by the loudest of the first three bins."""

    def infer(self, power: Tensor) -> Any:
        class Found:
            loudness = power.mean(1)[:, :3] / power.mean((1, 2)).clamp_min(1e-20)[:, None]
            log_classes = torch.log_softmax(10 * loudness, dim=1)

        return Found


@pytest.mark.parametrize("speakers", [(0, 1), (1, 0), (2, 0), (1, 2)])
def test_sources_are_ordered_by_who_sounds_like_whom(speakers: tuple[int, int]) -> None:
    power = torch.rand(2, 2, 4, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    # In the first recording the speakers come in their order, in the second the other way round.
    for item, order in enumerate((speakers, speakers[::-1])):
        for source, speaker in enumerate(order):
            power[item, source, speaker] += 5
    network: Any = Listener()
    known = classes(*speakers).expand(2, 2, 3)
    assert match_speakers(power, make_model(network), known).tolist() == [[0, 1], [1, 0]]
    # Each speaker once, though both sound like the first.
    power[:, :, speakers[0]] += 20
    assert sorted(match_speakers(power, make_model(network), known)[0].tolist()) == [0, 1]
    assert match_speakers(torch.zeros_like(power), make_model(network), known).shape == (2, 2)


def test_more_sources_than_channels(talkers: Any, voices: Callable[..., ConditionalVae]) -> None:
    spectrum = talkers(n_sources=3, n_channels=2).spectrum
    algorithm = AlgorithmChoice.of("gmvae", {"iterations": 4, "precision": "32-true"}).build(make_model(voices()))
    found = algorithm.separate(spectrum, n_sources=3, sample_rate=16000)
    assert found.log_classes is not None
    assert found.log_classes.shape == (1, 3, 3)
    # From the first fit of the speech model on: the factorisation that it starts from has another objective.
    objective = found.objective[:, 0]
    assert len(objective) == found.n_iterations == 4
    assert (objective.diff() <= 1e-6 * (1 + objective[1:].abs())).all()
    known = algorithm.separate(spectrum, n_sources=3, sample_rate=16000, speakers=classes(2, 0, 1))
    assert not torch.allclose(known.images, found.images)


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        ("gmva", "unknown algorithm 'gmva': did you mean 'gmvae'"),
        ({"kind": "gmvae", "settings": {"wpe": {}}}, "algorithm gmvae: unknown key 'wpe'"),
        ({"kind": "gmvae", "settings": {"postfilter": {}}}, "algorithm gmvae: unknown key 'postfilter'"),
        ({"kind": "gmvae", "settings": {"tolerance": 0.1}}, "algorithm gmvae: unknown key 'tolerance'"),
        ({"kind": "fastmvae2", "settings": {"steps": 3}}, "algorithm fastmvae2: unknown key 'steps'"),
        ({"kind": "mvae", "settings": {"steps": 0}}, "algorithm mvae: steps = 0"),
        ({"kind": "mvae", "settings": {"stft": {}}}, "algorithm mvae: unknown key 'stft'"),
        ({"kind": "auxiva", "settings": {"wpe": {}, "update": "iss"}}, "wpe: goes with the update ip: choose that"),
        ({"kind": "auxiva", "settings": {"wpe": {"tabs": 3}}}, "unknown key 'wpe.tabs'"),
        ({"kind": "auxiva", "settings": {"update": "ips"}}, "unknown update 'ips': did you mean 'ip'"),
        ({"kind": "auxiva", "settings": {"iteration": 3}}, "unknown key 'iteration': did you mean 'iterations'"),
        ({"kind": "ilrma", "settings": {"iterations": 0}}, "iterations = 0"),
        ({"kind": "ilrma", "settings": {"postfilter": {"full_rank": 1.0}}}, r"full_rank = 1\.0"),
        ({"kind": "gmvae", "settings": {"directions": {"max_delay_ms": 0}}}, "max_delay_ms = 0"),
    ],
)
def test_choices_that_cannot_be_are_named(algorithm: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(DemixingSystemConfig, {"algorithm": algorithm}, where="test")


def test_the_name_alone_and_the_name_with_settings_are_one_choice() -> None:
    by_name, by_kind = (
        parse_config(DemixingSystemConfig, {"algorithm": value}, where="test") for value in ("mvae", {"kind": "mvae"})
    )
    assert by_name == by_kind
    assert by_name.algorithm == AlgorithmChoice.of("mvae")
    with pytest.raises(ConfigError, match="key 'algorithm' is missing"):
        parse_config(DemixingSystemConfig, {}, where="test")


class PatientIlrmaConfig(BlindConfig):
    """More spectra."""

    n_bases: int = 4


class PatientIlrma(DemixingAlgorithm):
    """ILRMA with more spectra."""

    Config = PatientIlrmaConfig
    label = "Patient ILRMA"
    config: PatientIlrmaConfig

    def variances(self, n_batch: int, speakers: Tensor | None) -> IlrmaVariances:
        return IlrmaVariances(self.config.n_bases, [torch.Generator().manual_seed(0) for _ in range(n_batch)])


@takes_past
def twice(demixing: Tensor, separated: Tensor, observation: Observation, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Sweep twice."""
    return iterative_projection(*iterative_projection(demixing, separated, observation, weights), observation, weights)


@pytest.fixture
def own_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what a test registers be forgotten behind it."""
    for table in (ALGORITHMS, UPDATES):
        monkeypatch.setattr(table, "_entries", dict(table._entries))
        monkeypatch.setattr(table, "_registered", {})


def test_entries_of_somebody_elses_module_are_chosen_like_ours(
    own_tables: None, voices_of: Any, hear: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """In Python, in a recipe, and on the command line, with any update."""
    from sepvae import audio
    from sepvae.cli import main

    plugins.register("algorithm", "patient", PatientIlrma)
    plugins.register("update", "twice", twice)
    settings: dict[str, Any] = {"iterations": 3, "update": "twice", "wpe": {}, "stft": {"window_ms": 32, "hop_ms": 8}}
    chosen = {"algorithm": {"kind": "patient", "settings": settings}}
    choice = parse_config(DemixingSystemConfig, chosen, where="recipe").algorithm
    assert choice.settings["n_bases"] == 4
    wave = hear(voices_of("a", "b"), {"a": (1.3,), "b": (-1.1,)})
    found = Demixer(choice, sample_rate=8000).separate(wave, 8000)
    assert found.n_iterations == 3
    plain = Demixer(choice.with_settings(update="ip"), sample_rate=8000).separate(wave, 8000)
    assert found.objective[-1] < plain.objective[-1]
    audio.write(tmp_path / "two.wav", wave, sample_rate=8000)
    changed = [part for key in ("iterations=3", "update=twice") for part in ("--set", key)]
    command = ["demix", str(tmp_path / "two.wav"), "--algorithm", "patient", *changed, "-o", str(tmp_path / "out")]
    assert main(command) == 0
    with pytest.raises(SystemExit):
        main(["demix", "--help"])
    assert "patient (Patient ILRMA): ILRMA with more spectra." in capsys.readouterr().out
