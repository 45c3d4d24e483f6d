"""Results by who speaks: the scores of mixtures of women, of men, and of both."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sepvae.config import parse_config
from sepvae.evaluation.rows import ScoreRow
from sepvae.mixing.manifest import Header, Manifest, Mixture
from sepvae.recipe.separation.page import to_hear
from sepvae.recipe.separation.schema import SeparationRecipe
from sepvae.recipe.separation.stages import split_results

NMF: dict[str, Any] = {"kind": "nmf", "settings": {}}


def mixture(number: int, *sexes: str, split: str = "test") -> Mixture:
    """Return the record of a mixture of talkers of these sexes; `none` is a background."""
    sources = [
        {
            "name": f"any_{n}",
            "utterance": f"u{number}{n}",
            "path": f"{number}{n}.wav",
            "speaker": "" if sex == "none" else f"s{number}{n}",
            "sex": "unknown" if sex == "none" else sex,
            "sha256": "",
            "start": 0,
            "n_samples": 10,
            "offset": 0,
            "gain": 1.0,
        }
        for n, sex in enumerate(sexes)
    ]
    record = {"id": f"{split}-{number}", "split": split, "sample_rate": 8000, "n_samples": 10, "sources": sources}
    return parse_config(Mixture, record, where="test")


def results(mixtures: list[Mixture], scores: dict[str, float]) -> dict[str, Any]:
    """Score every source of each test mixture by `scores`, and NMF one dB above the mixture."""
    systems = {"mixture": {"kind": "mixture"}, "kl_nmf": NMF}
    data = {"title": "t", "systems": systems, "evaluation": {"measures": ["si_sdr"]}}
    recipe = parse_config(SeparationRecipe, data, where="test")
    rows = [
        ScoreRow(system, m.id, source.name, {"si_sdr": scores[m.id] + gain}, {})
        for system, gain in (("mixture", 0.0), ("kl_nmf", 1.0))
        for m in mixtures
        if m.split == "test"
        for source in m.sources
    ]
    return split_results(recipe, Manifest(Header(config={}, seed=0), tuple(mixtures)), rows)


def test_scores_by_who_speaks() -> None:
    mixtures = [
        mixture(0, "female", "male"),
        mixture(1, "male", "female"),
        mixture(2, "female", "female"),
        mixture(3, "male", "male"),
        mixture(4, "unknown", "unknown", split="train"),
    ]
    scores = {"test-0": 1.0, "test-1": 3.0, "test-2": 5.0, "test-3": -7.0}
    found = results(mixtures, scores)
    assert list(found["voices"]) == ["female + female", "female + male", "male + male"]
    means = {voices: systems["mixture"]["si_sdr"]["mean"] for voices, systems in found["voices"].items()}
    assert means == pytest.approx({"female + female": 5, "female + male": 2, "male + male": -7})
    counts = {voices: systems["kl_nmf"]["si_sdr"]["n_total"] for voices, systems in found["voices"].items()}
    assert counts == {"female + female": 2, "female + male": 4, "male + male": 2}
    assert sum(counts.values()) == found["systems"]["kl_nmf"]["si_sdr"]["n_total"]
    assert found["voices"]["male + male"]["kl_nmf"]["si_sdr"]["mean"] == pytest.approx(-6)
    # The whole is the mean over all, as without groups.
    assert found["systems"]["mixture"]["si_sdr"]["mean"] == pytest.approx(0.5)


def test_one_kind_of_voices_is_the_whole() -> None:
    found = results([mixture(0, "female", "male"), mixture(1, "male", "female")], {"test-0": 1, "test-1": 2})
    assert found["voices"] == {}
    assert not math.isnan(found["systems"]["mixture"]["si_sdr"]["mean"])


def test_three_talkers_and_backgrounds() -> None:
    mixtures = [mixture(0, "male", "female", "male"), mixture(1, "female", "none"), mixture(2, "unknown", "female")]
    found = results(mixtures, {"test-0": 1, "test-1": 2, "test-2": 3})
    assert list(found["voices"]) == ["female", "female + male + male", "female + unknown"]


def test_the_page_has_sounds_of_all_people_first() -> None:
    """Of 8 companies with 3 mixtures each, 12: each company once, and the first of them twice."""
    mixtures = [mixture(n, "female", "male") for n in range(24)]
    same = [
        one.model_copy(update={"sources": tuple(s.model_copy(update={"speaker": f"p{n // 3}"}) for s in one.sources)})
        for n, one in enumerate(mixtures)
    ]
    heard = [int(one.id.removeprefix("test-")) for one in to_hear(same)]
    assert heard == sorted([*range(0, 24, 3), *range(1, 12, 3)])
    assert to_hear(mixtures[:12]) == mixtures[:12]


def test_mixtures_of_the_same_people_are_one_cluster() -> None:
    mixtures = [mixture(n, "female", "male") for n in range(8)]
    same = [
        one.model_copy(
            update={"sources": tuple(s.model_copy(update={"speaker": f"p{n // 2}{s.sex}"}) for s in one.sources)}
        )
        for n, one in enumerate(mixtures)
    ]
    scores = {one.id: float(n) for n, one in enumerate(mixtures)}
    apart, together = (results(some, scores) for some in (mixtures, same))
    assert [found["comparisons"][0]["n_clusters"] for found in (apart, together)] == [8, 4]
    assert [found["comparisons"][0]["n_pairs"] for found in (apart, together)] == [8, 8]
    assert apart["systems"]["mixture"]["si_sdr"]["mean"] == together["systems"]["mixture"]["si_sdr"]["mean"]
    assert apart["systems"]["mixture"]["si_sdr"]["ci95"] != together["systems"]["mixture"]["si_sdr"]["ci95"]
