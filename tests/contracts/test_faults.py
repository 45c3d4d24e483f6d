"""The suites see what is wrong: entries with a fault, and the law that each of them breaks."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import sepvae
from sepvae import testing
from sepvae.augmentation.classical import Gain
from sepvae.augmentation.contract import DrawContext
from sepvae.config import Config
from sepvae.corpora.listing import file_names
from sepvae.corpora.reader import AudioFile, CorpusReader
from sepvae.demixing.auxiva import AuxIva, AuxIvaVariances
from sepvae.demixing.contract import Separated
from sepvae.demixing.covariance import Observation
from sepvae.demixing.updates import iterative_projection
from sepvae.errors import ConfigError, MissingExtra
from sepvae.evaluation.contract import measure, pairwise
from sepvae.evaluation.ratios import snr
from sepvae.formats import is_audio
from sepvae.mixing.mixture import Rendered
from sepvae.models.contract import Decoded, ModelConfig, Posterior, most_likely
from sepvae.models.network import SourceNetwork
from sepvae.objectives.contract import Batch, Loss, Objective
from sepvae.objectives.divergences import euclidean_divergence
from sepvae.objectives.likelihoods import gaussian
from sepvae.systems.contract import Estimates, System, SystemChoice, TrainingMixtures, describe_systems, trained

from ..fresh_tables import fresh_tables as fresh_tables

pytestmark = pytest.mark.usefixtures("fresh_tables")


class Nothing(Config):
    """Nothing to set."""


def changed(kind: type, **attributes: Any) -> type:
    """Return a class with some attributes in place of its own."""
    return type("Faulty", (kind,), {"__module__": __name__, "__doc__": kind.__doc__, **attributes})


class Flat(CorpusReader):
    """A corpus in one folder."""

    name = "flat"
    layout = "<speaker>-<sentence>.wav, such as anna-7.wav"
    example: ClassVar = dict.fromkeys(("anna-7.wav", "anna-8.wav", "ben-7.wav"))

    @classmethod
    def matches(cls, root: Path) -> bool:
        return any(is_audio(name) and "-" in name for name in file_names(root))

    def recordings(self, files: Iterable[str]) -> list[AudioFile]:
        found = [path for path in files if is_audio(path) and "-" in path and "/" not in path]
        return [AudioFile(Path(path).stem, path, path.partition("-")[0]) for path in found]

    def find(self, files: Sequence[str]) -> Iterable[AudioFile]:
        found = self.recordings(files)
        self.report_unrecognised(set(filter(is_audio, files)) - {one.path for one in found})
        return found


def content_is_read(root: Path) -> bool:
    return any(Path(root, name).read_bytes() for name in file_names(root))


class Tiny(SourceNetwork):
    """A layer to a code, and one from it."""

    Config = ModelConfig
    context_frames = 0

    def __init__(self, config: ModelConfig, *, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.config, self.enter, self.leave = config, nn.Linear(n_inputs, 3), nn.Linear(3, n_outputs)

    def encode(self, features: Tensor) -> Posterior:
        return Posterior(self.enter(features), None)

    def decode(self, latent: Tensor) -> Decoded:
        return Decoded(nn.functional.softplus(self.leave(latent)), None)


class Squares(Objective):
    """Mean squares, changed in some way."""

    Config = Nothing

    def __call__(self, models: Mapping[str, SourceNetwork], batch: Batch) -> Loss:
        spectra = {name: model.reconstruct(batch.input, most_likely).decoded.spectrum for name, model in models.items()}
        terms = {f"{name}/error": self.error(name, spectrum, batch) for name, spectrum in spectra.items()}
        return Loss(torch.stack(list(terms.values())).sum(), terms)

    def error(self, name: str, spectrum: Tensor, batch: Batch) -> Tensor:
        return (spectrum - batch.targets[name]).square().mean()


def sum_of_all(self: Squares, name: str, spectrum: Tensor, batch: Batch) -> Tensor:
    return (spectrum - torch.stack(list(batch.targets.values())).sum(0)).square().mean()


class Louder(AuxIva):
    """Twice what it should be."""

    def separate(self, spectrum: Tensor, **how: Any) -> Separated:
        found = super().separate(spectrum, **how)
        return replace(found, images=2 * found.images)


class Rising(AuxIvaVariances):
    """Variances that majorise nothing."""

    def variances(self, power: Tensor) -> Tensor:
        return super().variances(power).reciprocal()


def around(value: float) -> Any:
    """Return a start of demixing that depends on torch's global generator."""

    def start(self: AuxIva, reduced: Tensor, row: Tensor, speakers: Tensor | None) -> Tensor:
        plain = AuxIva.start(self, reduced, row, speakers)
        return plain + value * torch.randn(plain.shape, dtype=torch.float64)

    return start


def growing(demixing: Tensor, separated: Tensor, observation: Observation, weights: Tensor) -> tuple[Tensor, Tensor]:
    return 3 * demixing, 3 * separated


def late(demixing: Tensor, separated: Tensor, observation: Observation, weights: Tensor) -> tuple[Tensor, Tensor]:
    return iterative_projection(demixing, separated, observation, weights)[0], separated


def across(demixing: Tensor, separated: Tensor, observation: Observation, weights: Tensor) -> tuple[Tensor, Tensor]:
    found, _ = iterative_projection(demixing, separated, observation, weights)
    found = found * torch.polar(torch.ones(()), observation.spectrum.real.sum()).to(found)
    return found, found @ observation.spectrum


def scored(formula: Callable[..., float], **says: Any) -> Any:
    """Make a measure."""

    def score(reference: Any, estimate: Any, sample_rate: int) -> float:
        return float(formula(reference, estimate))

    score.__doc__ = "Score."
    return measure("Faulty", **says)(pairwise(score))


def true_snr(reference: Any, estimate: Any) -> float:
    return min(snr(reference=reference, estimate=estimate), 100.0)


class Halves(System[Nothing]):
    """Half of the mixture for each source, after a training that leaves something."""

    Config = Nothing
    draws = False
    share = 0.5

    def train(self, mixtures: TrainingMixtures, folder: Path) -> None:
        (folder / "names.txt").write_text("names")

    def load(self, folder: Path, *, device: str) -> None:
        trained(folder / "names.txt")

    def separate(self, mixture: Rendered) -> Estimates:
        return {name: (self.share * mixture.mixture).astype(np.float32) for name in mixture.sources}


def hissing(self: Halves, mixture: Rendered) -> Estimates:
    noise = np.random.default_rng(0).normal(0, 0.01, mixture.mixture.shape).astype(np.float32)
    first, second = mixture.sources
    return {first: mixture.mixture / 2 + noise, second: mixture.mixture / 2 - noise}


class OfItsSeed(Config):
    """A seed."""

    seed: int = 0


def divided(mixture: Rendered, share: float) -> Estimates:
    first, second = sorted(mixture.sources)
    own = mixture.mixture * np.float32(share)
    return {first: own, second: mixture.mixture - own}


def by_chance(self: Halves, mixture: Rendered) -> Estimates:
    return divided(mixture, np.random.uniform())  # noqa: NPY002


def by_seed(self: Any, mixture: Rendered) -> Estimates:
    return divided(mixture, np.random.default_rng(self._config.seed).uniform())


def global_gain(self: Gain, context: DrawContext) -> dict[str, Any]:
    return {"gain_db": float(np.random.uniform())}  # noqa: NPY002


# Shelf, an entry with a fault, and the law that it breaks.
FAULTS: list[tuple[str, Any, str]] = [
    ("corpus", changed(Flat, find=lambda self, files: self.recordings(files)[1:]), "the_example_is_recognised"),
    ("corpus", changed(Flat, find=lambda self, files: self.recordings(files)), "audio_outside_the_layout_is_a_problem"),
    ("corpus", changed(Flat, matches=classmethod(lambda cls, root: True)), "it_takes_no_other_corpus_for_its_own"),
    ("corpus", changed(Flat, matches=staticmethod(content_is_read)), "it_is_recognised_by_names_alone"),
    ("model", changed(Tiny, encode=lambda self, x: Posterior(self.enter(x - x.mean(0)), None)), "a_batch_of_two"),
    ("model", changed(Tiny, encode=lambda self, x: Posterior(self.enter(x.detach()), None)), "gradients_are_right"),
    ("model", changed(Tiny, decode=lambda self, z: Decoded(self.leave(z) + torch.rand(1), None)), "evaluation_twice"),
    (
        "model",
        changed(Tiny, decode=lambda self, z: Decoded(z.detach().exp()[..., :1] + self.leave(z), None)),
        "gradients_are",
    ),
    ("model", changed(Tiny, encode=lambda self, x: Posterior(x[..., :3], None)), "every_weight_takes_part"),
    ("model", changed(Tiny, decode=lambda self, z: Decoded(self.leave(z)[:, :-1], None)), "any_number_of_frames"),
    ("model", changed(Tiny, encode=lambda self, x: Posterior(self.enter(x.log()), None)), "silence_and_extreme"),
    ("objective", changed(Squares, error=lambda self, name, x, b: (x / b.targets[name]).mean()), "silence_gives"),
    ("objective", changed(Squares, error=lambda self, name, x, b: x.mean() * torch.rand(())), "the_loss_follows"),
    ("objective", changed(Squares, error=lambda self, name, x, b: x.mean() * x.detach().mean()), "the_gradient_is"),
    ("objective", changed(Squares, error=sum_of_all), "a_source_does_not_see_the_other"),
    ("objective", changed(Squares, error=lambda self, name, x, b: x.square().sum()), "the_mean_over_the_batch"),
    ("likelihood", lambda target, decoded, std: gaussian(target, decoded, std).mean(), "elements_are_independent"),
    ("likelihood", lambda target, decoded, std: -gaussian(target, decoded, std), "least_where_the_decoder_is_right"),
    ("likelihood", lambda target, decoded, std: (decoded.spectrum / target).log().abs(), "silence_and_extreme_levels"),
    ("divergence", lambda left, right, kernel_variance: left.mean() - right.mean(), "laws_of_a_divergence"),
    (
        "divergence",
        lambda left, right, **how: euclidean_divergence(left, right.detach(), **how),
        "the_gradient_is_that_of_finite_differences",
    ),
    ("prior", lambda n, d, generator: torch.randn(n, d), "samples_follow_from_the_generator_alone"),
    ("prior", lambda n, d, generator: torch.rand(n, d, generator=generator), "mean_0_and_variance_1"),
    ("mask", lambda magnitudes: magnitudes - magnitudes.mean(), "shares_of_any_levels"),
    ("mask", lambda magnitudes: magnitudes + 1, "masks_do_not_depend_on_the_level"),
    ("mask", lambda magnitudes: magnitudes.amax(0, keepdim=True) - magnitudes, "the_louder_source"),
    (
        "mask",
        lambda magnitudes: magnitudes * torch.arange(1, len(magnitudes) + 1).view(-1, 1, 1),
        "follow_a_permutation",
    ),
    ("algorithm", Louder, "images_add_up_to_the_reference_microphone"),
    ("algorithm", changed(AuxIva, variances=lambda self, n_batch, speakers: Rising("gauss")), "the_objective_is_there"),
    ("algorithm", changed(AuxIva, start=around(0.1)), "the_same_again_is_bit_equal"),
    ("algorithm", changed(AuxIva, label=""), "what_it_says_of_itself"),
    ("update", growing, "no_sweep_raises_the_objective"),
    ("update", late, "a_sweep_gives_matrices_and_what_they_separate"),
    ("update", across, "a_sweep_gives_matrices_and_what_they_separate"),
    ("measure", scored(true_snr, better="lower"), "better_estimates_have_better_scores"),
    ("measure", scored(true_snr, ignores_scale=True), "the_level_of_the_estimates"),
    ("measure", scored(lambda *_: np.random.uniform()), "scores_repeat_and_leave_all_else_alone"),  # noqa: NPY002
    ("measure", scored(lambda true, found: true_snr(true, found) + 100 * true.std()), "the_level_of_everything"),
    ("measure", scored(true_snr, needs_noise=True), "the_noise_is_needed_or_says_nothing"),
    ("augmentation", changed(Gain, draw=global_gain), "draws_are_json_and_depend_on_their_stream_alone"),
    ("augmentation", changed(Gain, draw=lambda self, context: {"gain_db": np.float32(1)}), "draws_are_json"),
    ("augmentation", changed(Gain, apply=lambda self, x, rate, _: np.multiply(x, 2, out=x)), "a_frozen_draw_replays"),
    ("augmentation", changed(Gain, apply=lambda self, x, rate, _: x[:, 5:]), "type_channels_and_duration"),
    ("augmentation", changed(Gain, apply=lambda self, x, rate, _: 2.0 * x[:1]), "type_channels_and_duration"),
    ("augmentation", changed(Gain, apply=lambda self, x, rate, _: x / x), "silence_and_short_waves"),
    ("augmentation", changed(Gain, identity={"gain_db": 0.1}), "the_identity"),
    ("system", changed(Halves, separate=lambda self, mixture: mixture.sources), "only_who_says_so_looks"),
    ("system", changed(Halves, needs=("references",), role="ceiling"), "only_who_says_so_looks_at_the_references"),
    ("system", changed(Halves, needs=("channels",)), "only_who_says_so_needs_several_channels"),
    ("system", changed(Halves, share=1 / 3), "what_is_consistent_adds_up_to_the_mixture"),
    ("system", changed(Halves, separate=hissing), "silence_in_silence_out"),
    ("system", changed(Halves, role="ceiling"), "it_says_what_it_is"),
    ("system", changed(Halves, draws=True), "another_seed_changes_the_estimates"),
    ("system", changed(Halves, separate=by_chance, draws=True), "another_seed_changes_the_estimates"),
    ("system", changed(Halves, Config=OfItsSeed, separate=by_seed), "another_seed_changes_the_estimates"),
    ("system", changed(Halves, role="informed"), "it_says_what_it_is"),
]


def register(shelf: str, entry: Any) -> None:
    """Register an entry as `faulty`; some say themselves what they are called."""
    if shelf in ("corpus", "augmentation"):
        entry.name = "faulty"
    sepvae.register(shelf, "faulty", entry)


@pytest.mark.parametrize(
    ("shelf", "entry", "law"), FAULTS, ids=[f"{shelf}-{number}-{law}" for number, (shelf, _, law) in enumerate(FAULTS)]
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_fault_is_seen(shelf: str, entry: Any, law: str) -> None:
    register(shelf, entry)
    with pytest.raises(ExceptionGroup, match=rf"{shelf} faulty fails .*check_\w*{law}") as caught:
        testing.run(shelf, "faulty")
    assert all(error.__notes__[-1].startswith(f"{shelf} faulty breaks the law: ") for error in caught.value.exceptions)


def test_faults_of_every_shelf_are_tried() -> None:
    counts = {shelf: sum(fault[0] == shelf for fault in FAULTS) for shelf in testing.SUITES}
    assert min(counts.values()) >= 2, counts


# Without a fault they pass, so that what fails above is the fault.
@pytest.mark.parametrize(
    ("shelf", "entry"),
    [
        *(("corpus", changed(Flat)), ("model", Tiny), ("objective", Squares), ("algorithm", changed(AuxIva))),
        *(("measure", scored(true_snr)), ("augmentation", changed(Gain)), ("system", Halves)),
        ("system", changed(Halves, Config=OfItsSeed, separate=by_seed, draws=True)),
        *(("likelihood", gaussian), ("update", iterative_projection), ("divergence", euclidean_divergence)),
    ],
)
def test_what_has_no_fault_passes(shelf: str, entry: Any) -> None:
    register(shelf, entry)
    testing.run(shelf, "faulty")


def test_a_system_of_ones_own_is_called_by_its_name() -> None:
    register("system", Halves)
    assert describe_systems({"mine": SystemChoice.of("faulty")})["mine"] == ("mine", "ours", (), False)


def test_what_is_asked_for_in_vain_is_named() -> None:
    with pytest.raises(ConfigError, match="unknown shelf 'masks': did you mean 'mask'"):
        testing.checks("masks")
    for check in testing.checks("mask"):
        with pytest.raises(ConfigError, match="unknown mask 'weiner': did you mean 'wiener'"):
            check("weiner")
        with pytest.raises(ConfigError, match="mask wiener: has no settings, received power: leave them out"):
            check("wiener", {"power": 2})


def test_what_is_not_installed_is_skipped() -> None:
    def lacking(magnitudes: Tensor) -> Tensor:
        raise MissingExtra("this mask", "masks", ImportError("no module"))

    register("mask", lacking)
    testing.run("mask", "faulty")
    with pytest.raises(unittest.SkipTest, match="this mask"):
        testing.checks("mask")[0]("faulty")
