"""STOI, ESTOI and PESQ: the numbers of the packages themselves, and reasons where they have none."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pystoi
import pytest
from numpy.typing import NDArray

from sepvae import audio, seeds
from sepvae.evaluation import intelligibility, perceptual
from sepvae.evaluation.measures import score
from sepvae.evaluation.rows import ScoreRow

pesq = pytest.importorskip("pesq", reason="the extra pesq is not installed")
MEASURES = ("stoi", "estoi", "pesq_nb", "pesq_wb")
Signal = NDArray[np.float64]


def syllables(duration_s: float, sample_rate: int = 16000, *names: str) -> Signal:
    """Noise in syllables of 0.3 s with pauses of 0.1 s, the same each time."""
    n_samples = round(duration_s * sample_rate)
    noise = seeds.generator(0, "syllables", *names).standard_normal(n_samples)
    return noise * ((np.arange(n_samples) / sample_rate) % 0.4 < 0.3) * 0.1


def rows(reference: Signal, estimate: Signal, sample_rate: int = 16000) -> ScoreRow:
    return score(
        references={"a": reference},
        estimates={"a": estimate},
        mixture=reference + syllables(1, len(reference), "other"),
        sample_rate=sample_rate,
        system="s",
        item="1",
        measures=MEASURES,
    )[0]


@pytest.fixture
def fresh_packages() -> Iterator[None]:
    for module in (intelligibility, perceptual):
        module.load_package.cache_clear()
    yield
    for module in (intelligibility, perceptual):
        module.load_package.cache_clear()


def test_pinned_values() -> None:
    clean = syllables(3)
    hiss = 0.02 * seeds.generator(0, "hiss").standard_normal(clean.size)
    scores = rows(clean, clean + 0.5 * syllables(3, 16000, "noise") + hiss).values
    assert scores == pytest.approx({"stoi": 0.8376, "estoi": 0.7472, "pesq_nb": 1.5399, "pesq_wb": 1.1775}, abs=1e-3)


def test_values_are_those_of_the_packages(corpora: Path) -> None:
    file = sorted((corpora / "timit-sample").glob("*/sx*.wav"))[0]
    clean = audio.read(file).wave[0].astype(np.float64)
    noisy = clean + 0.3 * clean.std() * seeds.generator(0, "noisy").standard_normal(clean.size)
    scores = rows(clean, noisy).values
    assert scores["stoi"] == pystoi.stoi(clean, noisy, 16000)
    assert scores["estoi"] == pytest.approx(pystoi.stoi(clean, noisy, 16000, extended=True), abs=1e-9)
    assert scores["pesq_nb"] == pesq.pesq(16000, clean, noisy, "nb")
    assert scores["pesq_wb"] == pesq.pesq(16000, clean, noisy, "wb")


def test_estoi_is_the_same_each_time_and_leaves_the_global_generator_alone() -> None:
    clean, noisy = syllables(1), syllables(1) + 0.1 * syllables(1, 16000, "noise")
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]  # noqa: NPY002
    values = {rows(clean, noisy).values["estoi"] for _ in range(3)}
    assert len(values) == 1
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]  # noqa: NPY002


@pytest.mark.parametrize(
    ("sample_rate", "wide"), [(8000, "sample_rate_too_low"), (11025, "sample_rate_too_low"), (44100, None)]
)
def test_other_rates(sample_rate: int, wide: str | None) -> None:
    clean = syllables(2, sample_rate)
    noisy = clean + 0.5 * syllables(2, sample_rate, "noise")
    scores = rows(clean, noisy, sample_rate)
    assert scores.reasons.get("pesq_wb") == wide
    assert scores.values["stoi"] == pystoi.stoi(clean, noisy, sample_rate)
    rate = 8000 if sample_rate < 16000 else 16000
    known = audio.resample(np.stack([clean, noisy]).astype(np.float32), from_rate=sample_rate, to_rate=rate)
    assert scores.values["pesq_nb"] == pytest.approx(pesq.pesq(rate, *known, "nb"), abs=1e-4)


def test_no_pesq_below_8_khz() -> None:
    assert rows(syllables(1, 6000), syllables(1, 6000) * 2, 6000).reasons == {
        "pesq_nb": "sample_rate_too_low",
        "pesq_wb": "sample_rate_too_low",
    }


@pytest.mark.parametrize("n_samples", [1, 200, 3000, 6336])
def test_too_short(n_samples: int) -> None:
    clean = syllables(1)[:n_samples]
    reasons = rows(clean, 2 * clean).reasons
    assert reasons["stoi"] == reasons["estoi"] == "too_short"
    if n_samples <= 3000:
        assert reasons["pesq_nb"] == reasons["pesq_wb"] == "too_short"


def test_too_little_speech_for_stoi() -> None:
    clean = 1e-4 * syllables(2)
    clean[5000:8000] = syllables(2, 16000, "loud")[5000:8000]
    assert rows(clean, 2 * clean).reasons["stoi"] == "too_short"


def test_nothing_pesq_takes_for_speech() -> None:
    bursts = seeds.generator(0, "bursts").standard_normal(48000) * (np.arange(48000) % 5600 < 1600)
    assert rows(bursts, bursts * 0.5).reasons["pesq_wb"] == "no_utterance"


def test_pesq_is_not_asked_for_what_would_kill_the_process() -> None:
    long = syllables(20.1)
    reasons = rows(long, 2 * long).reasons
    assert reasons["pesq_nb"] == reasons["pesq_wb"] == "too_long"
    assert "stoi" not in reasons


def test_an_unknown_failure_of_pesq_is_a_reason(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> float:
        raise pesq.PesqError("out of luck")

    monkeypatch.setattr(pesq, "pesq", fail)
    assert rows(syllables(1), 2 * syllables(1)).reasons["pesq_nb"] == "pesq_failed"
    assert "PESQ failed: out of luck" in caplog.text


@pytest.mark.usefixtures("fresh_packages")
@pytest.mark.parametrize(("package", "names"), [("pesq", MEASURES[2:]), ("pystoi", MEASURES[:2])])
def test_a_missing_package_is_said_once(
    package: str, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert rows(syllables(1), 2 * syllables(1)).reasons == dict.fromkeys(names, f"{package}_not_installed")
    extra = "pesq" if package == "pesq" else "eval"
    assert [f"pip install 'sepvae[{extra}]'" in message for message in caplog.messages] == [True]
