"""Every file of a shelf is in its table, and every name of a table stands for something."""

from __future__ import annotations

from pathlib import Path

import pytest

import sepvae.models
from sepvae.errors import ConfigError
from sepvae.models import MODELS
from sepvae.objectives import OBJECTIVES
from sepvae.systems import SYSTEMS

TABLES = {"models": MODELS, "objectives": OBJECTIVES, "systems": SYSTEMS}
# What entries of the shelf share.
HELPERS = {
    "models": {"dictionary", "layers", "network", "segment_network"},
    "objectives": {"divergences", "likelihoods", "priors"},
    "systems": {"grouped", "profiles", "roles", "voices"},
}


@pytest.mark.parametrize("shelf", TABLES)
def test_every_file_of_a_shelf_is_in_its_table(shelf: str) -> None:
    folder = Path(sepvae.models.__file__).parent.parent / shelf
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "contract"} - HELPERS[shelf]
    listed = {entry.partition(":")[0].rpartition(".")[2] for entry in TABLES[shelf].values()}
    assert files == listed


@pytest.mark.parametrize(("shelf", "name"), [(shelf, name) for shelf, table in TABLES.items() for name in table])
def test_every_entry_has_a_config(shelf: str, name: str) -> None:
    entry = TABLES[shelf].resolve(name)
    entry.Config.model_json_schema()
    assert entry.Config.model_config["extra"] == "forbid"


def test_names_outside_a_table_are_refused() -> None:
    for name in ("os:system", "sepvae.models.dense:DenseVae", "", "__class__"):
        with pytest.raises(ConfigError, match=r"unknown model .*choose one of .*dense_vae"):
            MODELS.resolve(name)
