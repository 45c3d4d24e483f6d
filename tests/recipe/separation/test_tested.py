"""Who and what a part was tested on: everybody who speaks, and all noise under it."""

from __future__ import annotations

from typing import Any

from sepvae.mixing.manifest import Header, Manifest, Mixture, Source
from sepvae.recipe.separation import provenance


def source(name: str, path: str, speaker: str = "", **more: Any) -> Source:
    given = {"utterance": path.partition(".")[0], "path": path, "speaker": speaker, "sex": "unknown", "gain": 1.0}
    return Source(name=name, start=0, n_samples=10, offset=0, **{"sha256": "", **given, **more})


def test_noise_and_layers_are_tested_as_well_as_speech() -> None:
    rain, road, hum = (
        source("noise", path, sha256=digit * 64) for path, digit in (("rain", "1"), ("road", "2"), ("hum", "3"))
    )
    synthetic = source("background", "gaussian/0", synthetic=True, layers=(rain, road))
    ann = source("speech", "ann_1.wav", "ann", sha256="a" * 64)
    test = Mixture(id="t", split="test", sample_rate=8000, n_samples=10, sources=(ann, synthetic), noise=hum)
    taught = test.model_copy(update={"id": "l", "split": "train", "sources": (source("speech", "bob_1.wav", "bob"),)})
    found = provenance.tested_in(Manifest(Header(), (taught, test)))
    assert found["speakers"] == ["ann"] and found["utterances"] == {"ann_1": "a" * 16}
    assert found["recordings"] == {"gaussian/0": "", "hum": "3" * 16, "rain": "1" * 16, "road": "2" * 16}
    quiet = test.model_copy(update={"noise": None})
    assert provenance.tested_in(Manifest(Header(), (quiet,)))["hash"] != found["hash"]
