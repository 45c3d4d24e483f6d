"""What is silent pays for it in table and page, and a test that is known from training is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae import audio, plugins
from sepvae.config import Config, parse_config
from sepvae.corpora.records import Utterance
from sepvae.errors import InputError
from sepvae.evaluation.failures import UNPROCESSED
from sepvae.mixing.manifest import write_manifest
from sepvae.mixing.mixture import Rendered
from sepvae.recipe.run import run_recipe
from sepvae.recipe.separation import stages
from sepvae.recipe.separation.schema import SeparationRecipe
from sepvae.systems.contract import Estimates, System

from ...fresh_tables import fresh_tables as fresh_tables

RATE = 8000
RECIPE: dict[str, Any] = {
    "title": "Noise",
    "mixing": {
        "sources": ["anna", "ben"],
        "n_train": 1,
        "n_valid": 0,
        "n_test": 2,
        "sample_rate": RATE,
        "duration_s": [0.5, 1.0],
    },
    "splits": ["speaker_seen"],
    "evaluation": {"measures": ["si_sdr", "si_sdr_improvement"]},
}

pytestmark = pytest.mark.usefixtures("fresh_tables")


class GivesUp(System[Config]):
    """Nearly right on the first mixture, and silent on all others."""

    Config, label, needs = Config, "Gives up", ("references",)
    asked = False

    def separate(self, mixture: Rendered) -> Estimates:
        """Return the sources with a little noise, or silence."""
        first, self.asked = not self.asked, True
        noise = 0.001 * np.random.default_rng(0).standard_normal(mixture.mixture.size).astype(np.float32)
        return {name: (wave + noise if first else np.zeros_like(wave)) for name, wave in mixture.sources.items()}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    root, rng = tmp_path / "noise", np.random.default_rng(0)
    for speaker in ("anna", "ben"):
        for number in range(12):
            wave = 0.1 * rng.standard_normal(RATE).astype(np.float32)
            audio.write(root / speaker / f"{number}.wav", wave, sample_rate=RATE)
    return root


def run(corpus: Path, out: Path, systems: dict[str, Any]) -> dict[str, Any]:
    recipe = parse_config(SeparationRecipe, {**RECIPE, "systems": systems}, where="test")
    return run_recipe(recipe, out=out, corpus=corpus, device="cpu").results


@pytest.mark.parametrize("floor", [{}, {"mixture": {"kind": "mixture"}}])
def test_a_silent_estimate_counts_as_the_mixture(corpus: Path, tmp_path: Path, floor: dict[str, Any]) -> None:
    plugins.register("system", "gives_up", GivesUp)
    found = run(corpus, tmp_path / "out", {**floor, "brave": {"kind": "gives_up"}})
    assert set(found["systems"]) == {*floor, "brave"}
    own = found["systems"]["brave"]
    assert (own["si_sdr"]["n_valid"], own["si_sdr"]["n_failed"], own["si_sdr"]["n_total"]) == (2, 2, 4)
    assert own["si_sdr_improvement"]["mean"] == pytest.approx(own["si_sdr"]["mean"], abs=0.5)
    # 37 dB and more where it is right, as good as nothing where it is silent.
    assert 15 < own["si_sdr"]["mean"] < 25
    page = (tmp_path / "out" / "report.html").read_text()
    assert "2 failed" in page and f'title="{UNPROCESSED}"' not in page


def test_a_test_mixture_that_trains_is_refused(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systems, mix = {"mixture": {"kind": "mixture"}}, stages.mix

    def planted(experiment: stages.Experiment, utterances: Sequence[Utterance]) -> None:
        manifest = mix(experiment, utterances)
        (train,), (test, _) = manifest.of_split("train"), manifest.of_split("test")
        leak = train.model_copy(update={"sources": (test.sources[0], train.sources[1])})
        write_manifest(experiment.folder.manifest, replace(manifest, mixtures=(leak, *manifest.of_split("test"))))

    monkeypatch.setattr(stages, "mix", planted)
    with pytest.raises(InputError, match=r"known from training: test-00000 shares the utterance .* with train"):
        run(corpus, tmp_path / "out", systems)
    assert not (tmp_path / "out" / "results.json").exists()
