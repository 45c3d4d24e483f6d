"""Batches of waves: their mixtures are sums of sources of the training set, and follow from seed and step alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sepvae.config import parse_config
from sepvae.errors import ConfigError, InputError
from sepvae.estimator.kinds import make_estimator
from sepvae.mixing.manifest import Mixture
from sepvae.mixing.mixture import render
from sepvae.training import wave_batches
from sepvae.training.batches import BatchPlace
from sepvae.training.config import TrainingConfig
from sepvae.training.facts import output_names
from sepvae.training.loop import Trainer, TrainingData
from sepvae.training.wave_batches import WaveBatches

RATE, BATCH = 8000, 4
JOINT = {"hidden": 8, "latent": 3, "encoder_blocks": 2, "decoder_blocks": 1}
Make = Callable[..., WaveBatches]


def config(*, optimiser: dict[str, Any] | None = None, **waves: Any) -> TrainingConfig:
    settings = {
        "frontend": {"sample_rate": RATE},
        "model": {"kind": "temporal_vae", "settings": JOINT},
        "objective": {"kind": "wave_sdr"},
        "optimiser": {"epochs": 4, "batch_size": BATCH, "learning_rate": 1e-2, "gradient_clip": 5, **(optimiser or {})},
        "waves": {"segment_s": 0.2, "steps_per_epoch": 10, **waves},
        "mask": "wiener",
    }
    return parse_config(TrainingConfig, settings, where="test")


@pytest.fixture
def make(humming: TrainingData, tmp_path: Path) -> Make:
    """Return a maker of batches for keys of `waves`, and for one process of several."""

    def maker(
        *, train: list[Mixture] | None = None, seed: int = 0, rank: int = 0, world: int = 1, **waves: Any
    ) -> WaveBatches:
        settings = config(**waves)
        return WaveBatches(
            settings,
            make_estimator(settings, ("hum", "hiss")),
            (train or humming.train, humming.valid),
            root=humming.root,
            cache=tmp_path / "cache",
            place=BatchPlace(seed, rank, world, torch.device("cpu")),
        )

    return maker


def test_mixtures_are_the_sums_of_their_targets(make: Make) -> None:
    batch = make().draw(3)
    assert list(batch.targets) == ["hum", "hiss"]
    assert batch.input.shape == (BATCH, round(0.2 * RATE))
    torch.testing.assert_close(batch.input, batch.targets["hum"] + batch.targets["hiss"])


def test_batches_follow_from_seed_and_step(make: Make) -> None:
    one = make()
    assert torch.equal(one.draw(7).input, make().draw(7).input)
    one.draw(2)
    assert torch.equal(one.draw(7).input, make().draw(7).input)
    assert not torch.equal(one.draw(7).input, one.draw(8).input)
    assert not torch.equal(one.draw(7).input, make(seed=1).draw(7).input)


def test_processes_share_a_batch_between_them(make: Make) -> None:
    whole, parts = make().draw(5).input, [make(rank=rank, world=2).draw(5).input for rank in range(2)]
    assert torch.equal(whole[0::2], parts[0])
    assert torch.equal(whole[1::2], parts[1])


def test_without_remixing_segments_are_those_of_the_mixtures(make: Make, humming: TrainingData) -> None:
    batches = make(remix=False, segment_s=0.3)
    mixtures = {mixture.id: render(mixture, humming.root).mixture for mixture in humming.train}
    found = set()
    for step in range(6):
        batch = batches.draw(step)
        for item in batch.input.numpy():
            # A mixture of 0.3 s fills the segment, so that the whole of it is found.
            levels = {
                name: float(np.abs(wave / wave.std() - item / item.std()).max()) for name, wave in mixtures.items()
            }
            name = min(levels, key=levels.__getitem__)
            assert levels[name] < 1e-4
            found.add(name)
        assert found <= set(mixtures)
        assert set(batches.items(step)) <= set(mixtures)
    assert len(found) > 3


def test_remixing_pairs_sources_of_different_mixtures(make: Make) -> None:
    batches = make()
    assert max(len(batches._chosen(step, place)[1]) for step in range(3) for place in range(BATCH)) == 3
    pairs = [batches._chosen(step, place)[1][:2] for step in range(5) for place in range(BATCH)]
    assert sum(one != two for one, two in pairs) > len(pairs) / 2
    named = {batches._table.items[index] for place in range(BATCH) for index in batches._chosen(2, place)[1]}
    assert set(batches.items(2)) == named


def test_speakers_are_drawn_equally_often(make: Make, humming: TrainingData) -> None:
    """One mixture of the training set is of a second speaker: half of what is drawn is theirs."""
    first, *others = humming.train
    hum, *rest = first.sources
    rare = first.model_copy(update={"sources": (hum.model_copy(update={"speaker": "rare"}), *rest)})
    batches = make(train=[rare, *others])
    drawn = [batches._chosen(step, 0)[1][0] for step in range(400)]
    assert sum(index == 0 for index in drawn) / len(drawn) == pytest.approx(0.5, abs=0.08)
    assert len(set(drawn)) == len(humming.train)


def test_drawn_sources_have_the_levels_of_one_mixture(make: Make) -> None:
    # Segments as long as the mixtures, so that levels of segments are those of the sources.
    batches = make(segment_s=0.3, speed=0.0)
    for place, (hum, hiss) in enumerate(zip(*batches.draw(4).targets.values(), strict=True)):
        template = batches._chosen(4, place)[1][-1]
        levels = batches._table.levels[template, :2] / batches._table.level
        np.testing.assert_allclose([hum.square().mean() ** 0.5, hiss.square().mean() ** 0.5], levels, rtol=1e-4)


def test_speed_moves_the_pitch(make: Make) -> None:
    """A hum lies at multiples of its pitch; up to 30 % of speed spreads it by as much, and no speed not at all."""

    def centroids(speed: float) -> set[float]:
        batches = make(speed=speed, segment_s=0.25)
        found = set()
        for step in range(8):
            for hum in batches.draw(step).targets["hum"].numpy():
                spectrum = np.abs(np.fft.rfft(hum * np.hanning(len(hum)), 1 << 16))
                found.add(float(np.argmax(spectrum[: 1 << 12]) * RATE / (1 << 16)))
        return found

    plain, varied = centroids(0.0), centroids(0.3)
    assert max(varied) > 1.1 * max(plain)
    assert min(varied) < 0.9 * min(plain)


def test_gains_stay_in_their_range(make: Make) -> None:
    levels = [make(gain_db=gain, speed=0.0).draw(1).targets["hiss"].std(-1).log10() * 20 for gain in (0.0, 6.0)]
    change = (levels[1] - levels[0]).abs()
    assert 0 < float(change.max()) <= 6.001


def test_validation_is_the_mixtures_whole(make: Make, humming: TrainingData) -> None:
    found = list(make().validation())
    assert [names for _, names, _ in found] == [[mixture.id] for mixture in humming.valid]
    for (batch, _, weight), mixture in zip(found, humming.valid, strict=True):
        wave = render(mixture, humming.root).mixture
        assert weight == len(wave)
        np.testing.assert_allclose(np.corrcoef(batch.input[0], wave)[0, 1], 1.0, atol=1e-6)


def test_a_second_table_is_read_not_computed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make().draw(0).input
    monkeypatch.setattr(wave_batches, "render", None)
    assert torch.equal(make().draw(0).input, first)


def test_a_source_that_is_never_heard_is_named(humming: TrainingData, tmp_path: Path) -> None:
    settings = config()
    with pytest.raises(InputError, match="source flute: is silent in all 6 training mixtures"):
        WaveBatches(
            settings,
            make_estimator(settings, ("hum", "flute")),
            (humming.train[:6], []),
            root=humming.root,
            cache=tmp_path,
            place=BatchPlace(0, 0, 1, torch.device("cpu")),
        )


def test_a_joint_network_learns_from_waves(humming: TrainingData, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    state = Trainer(config(steps_per_epoch=15), humming, tmp_path / "run", seed=0, device="cpu").run()
    losses = [row["valid/total"] for row in state.history]
    assert losses[-1] < losses[0] - 2
    assert list(state.history[0])[-5:] == [
        "valid/total",
        "valid/hum/sdr",
        "valid/hiss/sdr",
        "valid/hum/kl",
        "valid/hiss/kl",
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"objective": {"kind": "elbo"}},
            "objective elbo does not train model temporal_vae: temporal_vae learns by wave_sdr, elbo trains",
        ),
        ({"optimiser": {"segment_frames": 20}}, "segment_frames = 20: objective wave_sdr trains on waves, set waves"),
    ],
)
def test_what_does_not_fit_together_is_said(
    humming: TrainingData, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        whole = parse_config(TrainingConfig, {**config().model_dump(mode="json"), **settings}, where="test")
        Trainer(whole, humming, tmp_path / "run", seed=0, device="cpu")


@pytest.mark.parametrize(
    ("first", "second", "n_pairs"),
    [("ann bob cid", "bob cid ann", 6), ("ann bob ann", "ann ann ann", 1), ("bob ann ann", "ann bob bob", 2)],
)
def test_nobody_is_mixed_with_themselves(
    make: Make, humming: TrainingData, first: str, second: str, n_pairs: int
) -> None:
    """Sources of one kind share their speakers, all or some: another is drawn where the same was drawn twice."""
    shared, names = [], ("hum", "hiss")
    for number, mixture in enumerate(humming.train):
        voices = [row.split()[number % 3] for row in (first, second)]
        sources = tuple(one.model_copy(update={"speaker": voices[names.index(one.name)]}) for one in mixture.sources)
        shared.append(mixture.model_copy(update={"sources": sources}))
    batches = make(train=shared)
    speakers = [{source.name: source.speaker for source in mixture.sources} for mixture in shared]
    pairs = set()
    for step in range(60):
        _, chosen = batches._chosen(step, 0)
        pairs.add(tuple(speakers[index][name] for index, name in zip(chosen, names, strict=False)))
    assert all(one != other for one, other in pairs)
    assert len(pairs) == n_pairs


def test_what_the_sources_leave_is_an_output(humming: TrainingData, tmp_path: Path) -> None:
    """Of the mixture the rest is what is not in its sources: here noise, as the sources are in no room."""
    noisy = [mixture.model_copy(update={"noise": mixture.sources[1]}) for mixture in humming.train]
    settings = config(rest=True, speed=0.0)
    assert output_names(settings, noisy) == ["hum", "hiss", "rest"]
    batches = WaveBatches(
        settings,
        make_estimator(settings, output_names(settings, noisy)),
        (noisy, noisy[:1]),
        root=humming.root,
        cache=tmp_path / "cache",
        place=BatchPlace(0, 0, 1, torch.device("cpu")),
    )
    for batch in (batches.draw(0), next(iter(batches.validation()))[0]):
        assert list(batch.targets) == ["hum", "hiss", "rest"]
        assert batch.targets["rest"].square().mean() > 0.01 * batch.input.square().mean()
        torch.testing.assert_close(torch.stack([*batch.targets.values()]).sum(0), batch.input)


def test_the_rest_needs_a_name_of_its_own(humming: TrainingData) -> None:
    taken = [
        mixture.model_copy(
            update={"sources": tuple(one.model_copy(update={"name": "rest"}) for one in mixture.sources[:1])}
        )
        for mixture in humming.train
    ]
    with pytest.raises(ConfigError, match=r"waves\.rest: the mixtures have a source of the name rest"):
        output_names(config(rest=True), taken)
    assert output_names(config(), taken) == ["rest"]


def test_silence_that_pads_a_source_is_not_drawn(humming: TrainingData, tmp_path: Path) -> None:
    """A source that ends early in its mixture is heard in every segment that is made of it."""
    short = [
        mixture.model_copy(
            update={
                "sources": (
                    mixture.sources[0].model_copy(update={"n_samples": RATE // 4, "offset": 3}),
                    *mixture.sources[1:],
                )
            }
        )
        for mixture in humming.train
    ]
    table = wave_batches.build_wave_table(short, ("hum", "hiss"), root=humming.root, cache=tmp_path / "table")
    assert table.row(0, 0).shape == (RATE // 4,)
    np.testing.assert_array_equal(table.row(0, 0), table.item(0)[0, 3 : 3 + RATE // 4])
    assert table.row(0, 1).shape == table.row(0, 2).shape == (short[0].n_samples,)
    assert table.levels[0, 0] == pytest.approx(np.sqrt(np.mean(np.square(table.row(0, 0)))))


def test_a_source_called_rest_is_a_source_where_no_rest_is_asked_for(humming: TrainingData, tmp_path: Path) -> None:
    named = [
        mixture.model_copy(
            update={"sources": (mixture.sources[0], mixture.sources[1].model_copy(update={"name": "rest"}))}
        )
        for mixture in humming.train
    ]
    settings = config()
    batches = WaveBatches(
        settings,
        make_estimator(settings, output_names(settings, named)),
        (named, []),
        root=humming.root,
        cache=tmp_path / "cache",
        place=BatchPlace(0, 0, 1, torch.device("cpu")),
    )
    targets = batches.draw(0).targets
    assert list(targets) == ["hum", "rest"]
    assert targets["rest"].square().mean() > 0.01 * targets["hum"].square().mean()


def test_noise_is_made_of_the_noise_there_is(make: Make, humming: TrainingData) -> None:
    """At its level in the mixture that gives the levels; where no mixture has any, that is said."""
    with pytest.raises(ConfigError, match=r"waves.noise: the training mixtures have no noise: mix with noise_folder"):
        make(noise={"second": 1.0})
    with pytest.raises(ConfigError, match="noise: is made anew where sources are: set remix = true"):
        make(noise={"second": 1.0}, remix=False)
    hiss = humming.train[0].sources[1]
    noisy = [mixture.model_copy(update={"noise": hiss.model_copy(update={"gain": 0.1})}) for mixture in humming.train]
    plain, changed = (make(train=noisy, noise=noise).draw(3) for noise in ({}, {"second": 1.0, "speed": 0.3}))
    left = [batch.input - batch.targets["hum"] - batch.targets["hiss"] for batch in (plain, changed)]
    assert not torch.allclose(*left)
    for name in ("hum", "hiss"):
        assert torch.equal(plain.targets[name], changed.targets[name])
    ratio = (left[1].square().mean() / left[0].square().mean()).item()
    assert 0.3 < ratio < 3


def test_nobody_babbles_who_is_to_be_heard(make: Make, humming: TrainingData) -> None:
    """Where it is not known who speaks, anybody might be."""
    hiss = humming.train[0].sources[1]
    noise = hiss.model_copy(update={"gain": 0.1})

    def said_by(*speakers: str) -> WaveBatches:
        mixtures = [
            mixture.model_copy(
                update={
                    "noise": noise,
                    "sources": tuple(one.model_copy(update={"speaker": speaker}) for one in mixture.sources),
                }
            )
            for mixture, speaker in zip(humming.train, speakers * len(humming.train), strict=False)
        ]
        return make(train=mixtures, noise={"babble": 1.0})

    batches = said_by("anna", "ben")
    assert batches._bystanders([0, 0]) == [*range(1, len(humming.train), 2)]
    assert batches._bystanders([0, 1]) == []
    assert said_by("anna", "")._bystanders([0, 0]) == []
    assert said_by("anna", "")._bystanders([1, 1]) == []
