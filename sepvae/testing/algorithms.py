"""What every algorithm of demixing promises of spectra, whatever its source model."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from sepvae.demixing import ALGORITHMS
from sepvae.demixing.algorithm import AlgorithmChoice
from sepvae.demixing.contract import Separated, SpeechModel, algorithms
from sepvae.errors import ConfigError
from sepvae.frontend.levels import rms_levels
from sepvae.models.conditional import ConditionalVae, ConditionalVaeConfig
from sepvae.testing.contract import DEFAULTS, Settings, check_settings, expect, raises

CLASSES = ("ann", "bob", "cat")


class Bins(NamedTuple):
    """Sources (batch, bins, sources, frames), how they are mixed, and what the microphones hear."""

    sources: Tensor
    mixing: Tensor
    spectrum: Tensor


def draw_gaussian(*shape: int, seed: int = 0, dtype: torch.dtype = torch.complex128) -> Tensor:
    """Return Gaussian noise."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def mix_talkers(
    *,
    n_batch: int = 1,
    n_bins: int = 5,
    n_sources: int = 2,
    n_channels: int | None = None,
    n_frames: int = 60,
    seed: int = 0,
) -> Bins:
    """Draw sources that come and go, all bins together, and mix them by a random matrix in each bin."""
    envelopes = torch.exp(1.5 * draw_gaussian(n_batch, 1, n_sources, n_frames, seed=seed, dtype=torch.float64))
    sources = envelopes * draw_gaussian(n_batch, n_bins, n_sources, n_frames, seed=seed + 1)
    mixing = draw_gaussian(n_batch, n_bins, n_channels or n_sources, n_sources, seed=seed + 2)
    return Bins(sources, mixing, mixing @ sources)


def make_voices(*, n_bins: int = 5, classes: tuple[str, ...] = CLASSES, seed: int = 0) -> ConditionalVae:
    """Build a tiny network whose variances depend on latents and class, as those of a trained one do."""
    config = ConditionalVaeConfig(
        classes=classes, hidden=8, latent=3, encoder_blocks=1, decoder_blocks=1, inference_blocks=1
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = ConditionalVae(config, n_inputs=n_bins, n_outputs=n_bins)
        for weight in (network.to_log_power.weight, network.class_log_power.weight):
            torch.nn.init.normal_(weight, std=0.1)
    return network.eval()


def make_model(network: ConditionalVae | None = None, **how: Any) -> SpeechModel:
    """Return a network, or that of `make_voices`, as a model of speech that sees powers at a mean of 1."""
    return SpeechModel(network or make_voices(**how), rms_levels)


def separate(name: str, settings: Settings, spectrum: Tensor, **how: Any) -> Separated:
    """Separate two talkers at 16 kHz by an algorithm, with a tiny model of speech when it needs one."""
    choice = AlgorithmChoice.of(name, settings)
    algorithm = choice.build(make_model() if choice.entry.needs_model else None)
    return algorithm.separate(spectrum, **{"n_sources": 2, "sample_rate": 16000, **how})


def _speakers(*places: int) -> Tensor:
    """Return the classes (1, sources, classes) of speakers who are known."""
    return torch.nn.functional.one_hot(torch.tensor([places]), len(CLASSES)).float()


def _finite(values: Tensor) -> bool:
    return bool(torch.isfinite(torch.view_as_real(values) if values.is_complex() else values).all())


def check_what_it_says_of_itself(name: str, settings: Settings) -> None:
    """It has a label, a line of help, and settings with defaults, among them `stft` when it needs no model."""
    entry = ALGORITHMS.resolve(name)
    expect(bool(entry.label), "no label")
    line = (entry.__doc__ or "").strip().partition("\n")[0]
    expect(line.endswith("."), f"the first line of its docstring, which the help shows, is {line!r}")
    expect(("stft" in entry.Config.model_fields) is not entry.needs_model, "stft is a setting, or that of the model")
    for some in (DEFAULTS, settings):
        check_settings(AlgorithmChoice, name, some)


def check_it_asks_for_a_model_and_says_who_speaks(name: str, settings: Settings) -> None:
    """One that `needs_model` is refused without, says who speaks, and heeds who is said to."""
    entry, spectrum = ALGORITHMS.resolve(name), mix_talkers().spectrum
    classes = separate(name, settings, spectrum).log_classes
    if not entry.needs_model:
        expect(classes is None, "without a model it says who speaks")
        return
    shape = None if classes is None else tuple(classes.shape)
    expect(shape == (1, 2, len(CLASSES)), f"of two talkers and three speakers log_classes has the shape {shape}")
    one, other = (separate(name, settings, spectrum, speakers=_speakers(*who)).images for who in ((0, 1), (0, 2)))
    expect(one.shape == other.shape == spectrum.shape, f"images {tuple(one.shape)} and {tuple(other.shape)}")
    expect(not torch.allclose(one, other), "who is said to speak changes nothing")
    with raises(ConfigError, f"algorithm {name}: needs a model of speech: give one with -m"):
        AlgorithmChoice.of(name, settings).build()


def check_a_batch_of_two_is_two_singles(name: str, settings: Settings) -> None:
    """Recordings of a batch know nothing of each other."""
    spectrum = mix_talkers(n_batch=2).spectrum
    both = separate(name, settings, spectrum)
    shapes = tuple(both.images.shape), tuple(both.objective.shape)
    expect(shapes[0] == spectrum.shape and shapes[1][1] == 2, f"images and objective have the shapes {shapes}")
    for item in range(2):
        one = separate(name, settings, spectrum[item : item + 1])
        torch.testing.assert_close(one.images[0], both.images[item], rtol=1e-4, atol=1e-4)
        # One that has converged stays as it is while the other goes on.
        traces = one.objective[:, 0], both.objective[: len(one.objective), item]
        torch.testing.assert_close(*traces, rtol=1e-4, atol=1e-4)
        after = both.objective[len(one.objective) - 1 :, item]
        torch.testing.assert_close(after, after[:1].expand_as(after), rtol=1e-4, atol=1e-4)


def check_images_add_up_to_the_reference_microphone(name: str, settings: Settings) -> None:
    """The images of three talkers add up to what the reference microphone hears."""
    spectrum = mix_talkers(n_sources=3).spectrum
    for reference in (0, 2):
        images = separate(name, settings, spectrum, n_sources=3, reference=reference).images
        # A Wiener filter has a floor of noise, of which nobody is the source.
        torch.testing.assert_close(images.sum(2), spectrum[:, :, reference], rtol=1e-5, atol=1e-5)


def check_demixing_gives_the_images_up_to_a_factor(name: str, settings: Settings) -> None:
    """Each row of `demixing` takes one talker out of all channels: the image, up to a factor in each bin."""
    spectrum = mix_talkers(n_channels=4).spectrum
    found = separate(name, settings, spectrum)
    expect(found.images.shape == (1, 5, 2, 60), f"images have the shape {tuple(found.images.shape)}")
    if found.demixing is not None:
        expect(found.demixing.shape == (1, 5, 2, 4), f"demixing has the shape {tuple(found.demixing.shape)}")
        ratio = (found.demixing @ spectrum) / found.images
        torch.testing.assert_close(ratio, ratio[..., :1].expand_as(ratio), rtol=1e-6, atol=1e-9)


def check_what_is_louder_comes_out_louder(name: str, settings: Settings) -> None:
    """A recording a hundred times louder has the same images, a hundred times louder."""
    spectrum = mix_talkers().spectrum
    one, other = (separate(name, settings, gain * spectrum).images / gain for gain in (1.0, 100.0))
    share = float((one - other).abs().square().sum() / one.abs().square().sum())
    expect(share < 1e-4, f"{share:.2g} of the energy has changed")


def check_silence_stays_silent(name: str, settings: Settings) -> None:
    """A bin without sound stays without, and everything finite; so does silence."""
    spectrum = mix_talkers().spectrum
    spectrum[:, 2] = 0
    found = separate(name, settings, spectrum)
    expect(_finite(found.images) and _finite(found.objective), "a silent bin spoils the images or the objective")
    expect(not found.images[:, 2].abs().gt(1e-9).any(), "a silent bin sounds")
    expect(not separate(name, settings, 0 * spectrum).images.abs().gt(1e-9).any(), "silence sounds")


def check_the_objective_is_there_and_falls(name: str, settings: Settings) -> None:
    """The objective is there at each iteration; that of a `monotone` algorithm falls."""
    changes = {"iterations": 8} if "iterations" in ALGORITHMS.resolve(name).Config.model_fields else {}
    found = separate(name, {**settings, **changes}, mix_talkers().spectrum)
    objective = found.objective[:, 0]
    expect(len(objective) == found.n_iterations + 1, f"{found.n_iterations} iterations, {len(objective)} values")
    expect(len(objective) <= changes.get("iterations", len(objective)) + 1, f"of 8 iterations {found.n_iterations}")
    if ALGORITHMS.resolve(name).monotone:
        falls = bool((objective.diff() <= 1e-6 * (1 + objective[1:].abs())).all())
        expect(falls and bool(objective[-1] < objective[0] - 1e-3), f"the objective goes {objective.tolist()}")


def check_the_same_again_is_bit_equal(name: str, settings: Settings) -> None:
    """The same recording gives the same, whatever the state of torch's global generator, which is left alone."""
    spectrum, found = mix_talkers().spectrum, []
    for seed in range(2):
        torch.manual_seed(seed)
        before = torch.random.get_rng_state()
        found.append(separate(name, settings, spectrum))
        expect(torch.equal(torch.random.get_rng_state(), before), "it draws from torch's global generator")
    expect(torch.equal(found[0].images, found[1].images), "the second time the images are others")
    expect(torch.equal(found[0].objective, found[1].objective), "the second time the objective is another")


def check_fewer_channels_than_talkers(name: str, settings: Settings) -> None:
    """Fewer channels than talkers are refused, or separated where it is `underdetermined`."""
    spectrum = mix_talkers(n_sources=3, n_channels=2).spectrum
    if ALGORITHMS.resolve(name).underdetermined:
        found = separate(name, settings, spectrum, n_sources=3)
        expect(found.images.shape == (1, 5, 3, 60), f"images have the shape {tuple(found.images.shape)}")
        expect(found.demixing is None, "no matrix demixes more talkers than channels")
        torch.testing.assert_close(found.images.sum(2), spectrum[:, :, 0], rtol=1e-4, atol=1e-4)
        return
    able = algorithms(underdetermined=True)
    with raises(ConfigError, f"2 channels cannot be demixed into 3 sources: choose {able}"):
        separate(name, settings, spectrum, n_sources=3)
