"""Results of a recipe as a run leaves them, with scores that a test gives."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sepvae.files import hash_json
from sepvae.recipe.common import Recipe
from sepvae.recipe.provenance import Heard, tested_set
from sepvae.recipe.separation.schema import SeparationRecipe
from sepvae.systems.contract import describe_systems

SDR = "sdr_bsseval_v3_512"


def summary(mean: float | None, *, failed: int = 0, total: int = 20) -> dict[str, Any]:
    spread = [None, None] if mean is None else [mean - 1, mean + 1]
    return {
        "mean": mean,
        "median": mean,
        "ci95": spread,
        "n_valid": total - failed,
        "n_failed": failed,
        "n_total": total,
    }


def claim_test(recipe: Recipe, number: int = 0, **changes: Any) -> dict[str, Any]:
    claim = recipe.hypotheses[number].to_claim()
    test = {
        "claim": json.loads(json.dumps(claim.__dict__)),
        "other": claim.others[0],
        "n_pairs": 10,
        "n_clusters": 8,
        "mean_difference": 1.25,
        "p_for": 0.0234,
        "p_against": 0.9,
        "verdict": "supported",
    }
    return test | changes


def made_results(
    recipe: SeparationRecipe,
    means: Mapping[str, float | None],
    *,
    measures: Sequence[str] = (SDR,),
    speakers: Sequence[str] = ("ann", "bob"),
    failed: Mapping[str, int] | None = None,
    claims: Sequence[Mapping[str, Any]] = (),
    parts: Sequence[str] | None = None,
    voices: Sequence[str] = (),
    **changes: Any,
) -> dict[str, Any]:
    """Return results in which every measure of a system has the mean given; one of `voices` has as much."""
    systems = {
        name: {measure: summary(mean, failed=(failed or {}).get(name, 0)) for measure in measures}
        for name, mean in means.items()
    }
    names = list(recipe.part_names if parts is None else parts)
    facts = describe_systems(recipe.systems)
    found = {
        "title": recipe.title,
        "config": recipe.model_dump(mode="json"),
        "measure_facts": [{"name": name, **one._asdict()} for name, one in recipe.described.items()],
        "plugins": [],
        "versions": {"sepvae": "0.1.0", "torch": "2.11.0"},
        "seed": recipe.seed,
        "quick": False,
        "settings": recipe.decisive,
        "settings_hash": hash_json(recipe.decisive),
        "device": "cpu",
        "core_seconds": 7200.0,
        "processors": [{"model": "Some CPU", "cores": 2, "amx_bf16": False, "avx512_bf16": None}],
        "date": "2026-11-30",
        "splits": {
            part: {
                "systems": systems,
                "voices": dict.fromkeys(voices, systems),
                "comparisons": [],
                "hypotheses": list(claims),
            }
            for part in names
        },
        "systems": systems,
        "notes": [],
        "data": {"layout": "timit", "corpus": "c" * 64, "folders": {}},
        "tested": dict.fromkeys(names, tested_set(Heard(one, f"{one}_1", hash_json(one)) for one in speakers)),
        "seeds": {"recipe": recipe.seed, "training": {name: [recipe.seed] for name in recipe.systems}},
        "core_seconds_of": {part: {name: {"train": 600.0, "separate": 30.0} for name in means} for part in names},
        "order": names,
        "system_facts": [{"name": name, **facts[name]._asdict()} for name in means],
    }
    return json.loads(json.dumps(found | changes))  # type: ignore[no-any-return]
