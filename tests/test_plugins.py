"""Plug-ins: entries registered from Python, loaded by name or file, known to data by nothing but their names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import sepvae
from sepvae import audio, plugins
from sepvae.config import Config, parse_config
from sepvae.corpora.folder import SpeakerFolders
from sepvae.corpora.records import open_corpus
from sepvae.errors import CheckpointError, ConfigError
from sepvae.estimator import MASKS
from sepvae.estimator.checkpoint import load_checkpoint, save_checkpoint
from sepvae.estimator.masks import MaskKind, make_masks
from sepvae.plugins import SHELVES
from sepvae.recipe.catalogue import recipe_files
from sepvae.recipe.kinds import load_recipe
from sepvae.tables import Table
from sepvae.training.config import TrainingConfig, fresh_checkpoint

from .fresh_tables import fresh_tables as fresh_tables

PLUGIN = """
import sepvae

def fourth(magnitudes):
    return magnitudes.pow(4)

sepvae.register("mask", "fourth", fourth)
"""


pytestmark = pytest.mark.usefixtures("fresh_tables")


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "fourth_mask.py"
    path.write_text(PLUGIN)
    return path


def fifth(magnitudes: torch.Tensor) -> torch.Tensor:
    return magnitudes.pow(5)


@pytest.mark.parametrize("shelf", SHELVES)
def test_every_shelf_is_a_table(shelf: str) -> None:
    assert isinstance(plugins.table(shelf), Table)
    with pytest.raises(ConfigError, match=rf"{plugins.table(shelf).what} 'a/b': letters, digits, - and _ may be in"):
        sepvae.register(shelf, "a/b", fifth)


def test_what_is_registered_is_known_everywhere() -> None:
    class WithMask(Config):
        mask: MaskKind = "ratio"

    own = list(MASKS)
    assert sepvae.register("mask", "fifth", fifth) is fifth
    assert list(MASKS) == [*own, "fifth"]
    magnitudes = torch.tensor([[2.0], [1.0]])
    assert make_masks(magnitudes, kind="fifth")[0].item() == pytest.approx(32 / 33)
    assert parse_config(WithMask, {"mask": "fifth"}, where="test").mask == "fifth"
    assert WithMask.model_json_schema()["properties"]["mask"]["enum"] == [*own, "fifth"]
    assert parse_config(TrainingConfig, {"mask": "fifth"}, where="test").mask == "fifth"
    with pytest.raises(ConfigError, match="unknown mask 'sixth': did you mean 'fifth'"):
        parse_config(WithMask, {"mask": "sixth"}, where="test")


def test_names_that_are_taken_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"mask 'wiener': is sepvae\.estimator\.masks:wiener already: choose another"):
        sepvae.register("mask", "wiener", fifth)
    sepvae.register("mask", "fifth", fifth)
    sepvae.register("mask", "fifth", fifth)
    with pytest.raises(ConfigError, match="unknown shelf 'masks': did you mean 'mask'"):
        sepvae.register("masks", "fifth", fifth)


def test_a_file_is_loaded_once(plugin: Path) -> None:
    plugins.load([str(plugin)])
    plugins.load([str(plugin)])
    assert MASKS.provider("fourth") == "fourth_mask"
    assert plugins.loaded() == (str(plugin.resolve()),)
    with_mask = parse_config(TrainingConfig, {"mask": "fourth"}, where="test")
    assert plugins.needed_by(with_mask) == ("fourth_mask",)
    assert plugins.needed_by(TrainingConfig()) == ()


def test_a_module_is_loaded_by_its_name(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(plugin.parent))
    monkeypatch.setenv(plugins.VARIABLE, "fourth_mask")
    plugins.load(plugins.from_environment())
    assert MASKS.provider("fourth") == "fourth_mask"
    assert plugins.loaded() == ("fourth_mask",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_there", r"cannot be imported \(ModuleNotFoundError: No module named 'nothing_there'\)"),
        ("1 / 0", r"cannot be imported \(ZeroDivisionError"),
        ("def", "cannot be imported .SyntaxError"),
        ("import sepvae\nsepvae.register('mask', 'ratio', print)", "mask 'ratio': is sepvae.estimator.masks:ratio al"),
    ],
)
def test_what_is_wrong_with_a_plugin_is_said(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        plugins.load([str(path)])
    assert "wrong" not in sys.modules
    assert plugins.loaded() == ()


def test_plugins_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"plug-in .*gone.py: no such file: give a file that ends in .py"):
        plugins.load([str(tmp_path / "gone.py")])
    with pytest.raises(ConfigError, match="plug-in no_such_module: cannot be imported"):
        plugins.load(["no_such_module"])


@given(name=st.text(max_size=30))
def test_data_never_loads_a_module(name: str) -> None:
    """A name in a config is looked up in the table, and nowhere else."""
    before = set(sys.modules)
    if name not in MASKS:
        with pytest.raises(ConfigError):
            parse_config(TrainingConfig, {"mask": name}, where="test")
    assert set(sys.modules) == before


def test_layouts_of_ones_own_are_recognised_first(tmp_path: Path) -> None:
    class Sessions(SpeakerFolders):
        name = "sessions"

    (tmp_path / "anna").mkdir()
    audio.write(tmp_path / "anna" / "1.wav", np.zeros(800, np.float32), sample_rate=8000)
    assert open_corpus(tmp_path).name == "folder"
    sepvae.register("corpus", "sessions", Sessions)
    assert open_corpus(tmp_path).name == "sessions"
    assert open_corpus(tmp_path, "folder").name == "folder"


def test_a_folder_names_the_plugin_it_needs(plugin: Path, tmp_path: Path) -> None:
    plugins.load([str(plugin)])
    config = parse_config(TrainingConfig, {"mask": "fourth", "model": {"settings": {"hidden": [4]}}}, where="test")
    save_checkpoint(tmp_path / "model", fresh_checkpoint(config, ["a", "b"]))
    assert load_checkpoint(tmp_path / "model").config.plugins == ("fourth_mask",)
    code = f"from sepvae.estimator.checkpoint import load_checkpoint; load_checkpoint({str(tmp_path / 'model')!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert "needs the plug-in fourth_mask: load it by --plugin fourth_mask" in done.stderr
    del sys.modules["fourth_mask"]
    with pytest.raises(CheckpointError, match="needs the plug-in fourth_mask: load it by --plugin fourth_mask"):
        load_checkpoint(tmp_path / "model")


def test_a_recipe_names_the_plugin_it_needs(plugin: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "kind: separation\ntitle: mine\nplugins: [fourth_mask]\n"
        "systems: {mixture: {kind: mixture}, mine: {kind: source_models, settings: {mask: fourth}}}\n"
    )
    with pytest.raises(ConfigError, match=r"mine\.yaml: needs the plug-in fourth_mask: load it by --plugin fourth_m"):
        load_recipe(path)
    plugins.load([str(plugin)])
    assert plugins.needed_by(load_recipe(path)) == ("fourth_mask",)


@pytest.mark.parametrize("name", recipe_files())
def test_the_recipes_of_sepvae_need_no_plugin(name: str) -> None:
    assert plugins.needed_by(load_recipe(recipe_files()[name])) == ()
