"""What every system of an experiment keeps, on mixtures of a hum and a hiss that it may learn from."""

from __future__ import annotations

import functools
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from sepvae import audio
from sepvae.corpora.records import open_corpus
from sepvae.errors import CheckpointError, InputError
from sepvae.mixing.config import MixingConfig
from sepvae.mixing.mixture import Rendered, render
from sepvae.mixing.protocol import make_mixtures
from sepvae.systems import SYSTEMS
from sepvae.systems.contract import Estimates, System, SystemChoice, TrainingMixtures, describe_systems
from sepvae.systems.roles import Role
from sepvae.testing.contract import Settings, check_settings, expect, raises

RATE, LENGTH = 16000, 4800


def speak(root: Path) -> Path:
    """Write a corpus of two speakers, who say a low hum or a high hiss that comes and goes."""
    time = np.arange(LENGTH) / RATE
    for number in range(12):
        rng = np.random.default_rng(number)
        for name in ("hum", "hiss"):
            envelope = 0.2 + np.abs(np.sin(2 * np.pi * rng.uniform(2, 6) * time + rng.uniform(0, 6)))
            pitch = rng.uniform(90, 140)
            hum, hiss = np.zeros(LENGTH), np.diff(rng.standard_normal(LENGTH + 2), 2)
            for k in range(1, 9):
                hum += np.sin(2 * np.pi * pitch * k * time)
            wave = 0.05 * envelope * (hum if name == "hum" else hiss)
            audio.write(root / name / f"{number}.wav", wave.astype(np.float32), sample_rate=RATE)
    return root


@functools.cache
def corpus() -> tuple[TrainingMixtures, list[Rendered], tempfile.TemporaryDirectory[str]]:
    """Return mixtures to learn from, test mixtures as two microphones record them, and the folder they lie in."""
    folder = tempfile.TemporaryDirectory(prefix="sepvae-systems-")
    root = speak(Path(folder.name) / "corpus")
    config = MixingConfig(sources=("hum", "hiss"), n_train=6, n_valid=2, n_test=2, duration_s=(0.25, 0.3))
    manifest = make_mixtures(list(open_corpus(root).utterances()), config, root=root, seed=0)
    train, valid = manifest.of_split("train"), manifest.of_split("valid")
    mixtures = TrainingMixtures(train, valid, root, seed=0, device="cpu", shared=Path(folder.name) / "shared")
    items = [recorded(render(mixture, root)) for mixture in manifest.of_split("test")]
    return mixtures, items, folder


def recorded(item: Rendered) -> Rendered:
    """Return a mixture with a second microphone, which the first source reaches later and the second earlier."""
    second = sum(0.8 * np.roll(wave, late) for wave, late in zip(item.sources.values(), (2, -2), strict=True))
    return replace(item, channels=np.stack([item.mixture, second]).astype(np.float32))


def build(name: str, settings: Settings) -> System[Any]:
    """Return a system for mixtures at 16 kHz."""
    return SystemChoice.of(name, settings).build(sample_rate=RATE)


def ready(name: str, settings: Settings) -> System[Any]:
    """Return a system that is ready to separate, from what its training has left behind; it is trained once."""
    return _ready(SYSTEMS.resolve(name), name, json.dumps(dict(settings)))


@functools.cache
def _ready(entry: type[System[Any]], name: str, settings: str) -> System[Any]:
    """Train a system; `entry` is what the name stands for now, which another registration changes."""
    del entry
    mixtures, _, folder = corpus()
    place = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder.name))
    build(name, json.loads(settings)).train(mixtures, place)
    system = build(name, json.loads(settings))
    system.load(place, device="cpu")
    return system


def trained_anew(name: str, settings: Settings, *, seed: int) -> Estimates:
    """Train from a seed and separate the first test mixture, with nothing left from before."""
    return _trained_anew(build(name, settings), seed=seed)


def reseeded(name: str, settings: Settings, *, seed: int) -> Estimates:
    """Do the same with the settings of that seed too, as a recipe does for each of several seeds."""
    return _trained_anew(SystemChoice.of(name, settings).reseeded(seed).build(sample_rate=RATE), seed=seed)


def _trained_anew(system: System[Any], *, seed: int) -> Estimates:
    mixtures, items, _ = corpus()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "system").mkdir()
        system.train(replace(mixtures, seed=seed, shared=folder / "shared"), folder / "system")
        system.load(folder / "system", device="cpu")
        return system.separate(items[0])


def check_estimates_are_named_and_shaped_like_the_sources(name: str, settings: Settings) -> None:
    """Each source has a finite float32 estimate under its name, as long as the mixture."""
    for item in corpus()[1]:
        estimates = ready(name, settings).separate(item)
        expect(set(estimates) == set(item.sources), f"estimates of {', '.join(estimates)}")
        for source, estimate in estimates.items():
            like = estimate.shape == item.mixture.shape and estimate.dtype == np.float32
            expect(like, f"{source}: {estimate.dtype} of shape {estimate.shape}, the mixture {item.mixture.shape}")
            expect(bool(np.isfinite(estimate).all()), f"{source}: samples are not finite")


def check_what_is_consistent_adds_up_to_the_mixture(name: str, settings: Settings) -> None:
    """Estimates add up to the mixture, where the system is `mixture_consistent`."""
    for item in corpus()[1] if SYSTEMS.resolve(name).mixture_consistent else ():
        total = np.sum(list(ready(name, settings).separate(item).values()), axis=0)
        np.testing.assert_allclose(total, item.mixture, atol=1e-5, rtol=1e-5)


def check_only_who_says_so_looks_at_the_references(name: str, settings: Settings) -> None:
    """Other true sources under the same mixture change the estimates exactly when the system `needs` references."""
    system, item = ready(name, settings), corpus()[1][0]
    false = {source: np.roll(wave, 500)[::-1].copy() for source, wave in reversed(item.sources.items())}
    true, lied = system.separate(item), system.separate(replace(item, sources=false))
    # The names of a blind system come in the order of the sources.
    lies = list(lied.values()) if system.blind else [lied[source] for source in true]
    same = all(np.array_equal(one, other) for one, other in zip(true.values(), lies, strict=True))
    expect(same is ("references" not in system.needs), f"needs is {system.needs}, and other references change the rest")


def check_only_who_says_so_needs_several_channels(name: str, settings: Settings) -> None:
    """A mixture of one microphone is refused exactly when the system `needs` channels."""
    system, alone = ready(name, settings), replace(corpus()[1][0], channels=None)
    if "channels" in system.needs:
        with raises(InputError, r"set mixing\.room"):
            system.separate(alone)
    else:
        estimates = system.separate(alone)
        expect(set(estimates) == set(alone.sources), f"of one microphone estimates of {', '.join(estimates)}")


def check_silence_in_silence_out(name: str, settings: Settings) -> None:
    """Silence is separated into silence; dead microphones may be refused where several are needed."""
    silence = np.zeros(2000, np.float32)
    item = recorded(Rendered(silence, dict.fromkeys(corpus()[1][0].sources, silence), None))
    try:
        estimates = ready(name, settings).separate(item)
    except InputError as error:
        dead = "silent" in str(error) and "channels" in ready(name, settings).needs
        expect(dead, f"silence is refused: {error}")
    else:
        loud = [source for source, estimate in estimates.items() if estimate.any()]
        expect(loud == [], f"of silence {', '.join(loud)} is not silent")


def check_a_gain_carries_through(name: str, settings: Settings) -> None:
    """What is ten times louder is separated into estimates ten times louder."""
    system, item = ready(name, settings), corpus()[1][0]
    louder = recorded(Rendered(10 * item.mixture, {key: 10 * wave for key, wave in item.sources.items()}, None))
    soft, loud = system.separate(item), system.separate(louder)
    for source, estimate in soft.items():
        np.testing.assert_allclose(loud[source] / 10, estimate, atol=1e-4)


def check_training_follows_from_the_seed(name: str, settings: Settings) -> None:
    """A second training with the same seed separates to the same samples."""
    estimates = ready(name, settings).separate(corpus()[1][0])
    again = trained_anew(name, settings, seed=0)
    changed = [source for source, wave in estimates.items() if not np.array_equal(again[source], wave)]
    expect(changed == [], f"trained again it gives another {', '.join(changed)}")


def check_another_seed_changes_the_estimates_of_those_that_draw(name: str, settings: Settings) -> None:
    """From two seeds come other estimates exactly when the system `draws`, and from the same seed the same."""
    facts = SystemChoice.of(name, settings).facts(name)
    one, again, other = (reseeded(name, settings, seed=seed) for seed in (1, 1, 2))
    changed = [source for source, wave in one.items() if not np.array_equal(again[source], wave)]
    expect(changed == [], f"from the same seed it gives another {', '.join(changed)}")
    same = all(np.array_equal(other[source], wave) for source, wave in one.items())
    expect(
        same is not facts.draws,
        f"draws is {facts.draws}, and from another seed {'nothing' if same else 'much'} changes",
    )


def check_what_has_not_been_trained_says_so_or_needs_none(name: str, settings: Settings) -> None:
    """Loading from an empty folder is a CheckpointError that says what to do, or all that is needed."""
    system, item = build(name, settings), corpus()[1][0]
    with tempfile.TemporaryDirectory() as folder:
        try:
            system.load(Path(folder), device="cpu")
        except CheckpointError as error:
            expect("train" in str(error) or folder in str(error), f"the error says: {error}")
        else:
            estimates = system.separate(item)
            expect(set(estimates) == set(item.sources), f"without a training estimates of {', '.join(estimates)}")


def check_it_says_what_it_is(name: str, settings: Settings) -> None:
    """Role, label and needs can be shown; what is given the references, and that alone, is a ceiling or informed."""
    facts = describe_systems({"mine": SystemChoice.of(name, settings)})["mine"]
    expect(facts.role in get_args(Role), f"its role is {facts.role!r}")
    expect(0 < len(facts.label) <= 60, f"its label is {facts.label!r}")
    expect(set(facts.needs) <= {"channels", "references"}, f"it needs {facts.needs}")
    told = facts.role in ("informed", "ceiling")
    expect(facts.uses_references or not told, f"it is {facts.role}, and not given the references")
    expect(told or not facts.uses_references, f"given the references, it is {facts.role}")


def check_settings_are_strict_and_kept(name: str, settings: Settings) -> None:
    """Settings survive JSON, defaults are filled in, and a key that is not known is named."""
    check_settings(SystemChoice, name, settings)
