"""An augmentation from somebody's own module: workers load it, the run names it, and asks for it when it is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sepvae import plugins
from sepvae.augmentation import AUGMENTATIONS
from sepvae.augmented.folder import check_plugins
from sepvae.augmented.pipeline import RunSpec, pipeline
from sepvae.augmented.records import read_records
from sepvae.augmented.run import RunOptions
from sepvae.cli import main
from sepvae.errors import ConfigError
from sepvae.files import read_json

from .conftest import augment, interrupted

Contents = Callable[[Path], dict[str, str]]

PLUGIN = '''
import numpy as np
from sepvae.augmentation.contract import Augmentation
from sepvae.config import Config
from sepvae.plugins import register


class FlipConfig(Config):
    """`chance`: how often."""

    chance: float = 0.5


class Flip(Augmentation):
    """Turns the wave upside down, or not."""

    Config = FlipConfig
    name = "flip"
    identity = {"chance": 0.0}

    def draw(self, context):
        return {"sign": -1.0 if context.stream.random() < self.config.chance else 1.0}

    def apply(self, wave, sample_rate, parameters):
        return wave * np.float32(parameters["sign"])


register("augmentation", "flip", Flip)
'''


@pytest.fixture
def forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """What makes a process of one that has loaded no plug-in; so it is before and after the test."""

    def forgotten() -> None:
        own = {name: entry for name, entry in AUGMENTATIONS.items() if AUGMENTATIONS.provider(name) is None}
        monkeypatch.setattr(AUGMENTATIONS, "_entries", own)
        monkeypatch.setattr(AUGMENTATIONS, "_registered", {})
        monkeypatch.setattr(plugins, "_loaded", {})
        sys.modules.pop("my_flip", None)

    forgotten()
    yield forgotten
    forgotten()


def test_workers_load_the_plug_in_and_the_run_names_it(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: Contents, forget: Callable[[], None]
) -> None:
    (tmp_path / "my_flip.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    plugins.load(["my_flip.py"])
    settings = {"methods": ["flip", "speed+flip"], "copies": 2}
    augment(corpus, tmp_path / "one", **settings)
    augment(corpus, tmp_path / "two", how=RunOptions(jobs=2), **settings)
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    assert {one.parameters[-1]["sign"] for one in read_records(tmp_path / "one")} == {-1.0, 1.0}
    final = read_json(tmp_path / "one" / "augmented.json")
    assert final["plugins"] == ["my_flip"]
    assert final["config"]["settings"]["flip"] == {"chance": 0.5}
    assert augment(corpus, tmp_path / "three", methods=["gain"], copies=1).complete
    assert read_json(tmp_path / "three" / "augmented.json")["plugins"] == []
    forget()
    check_plugins(tmp_path / "three")
    with pytest.raises(ConfigError, match="that needs the plug-in my_flip: load it by --plugin my_flip"):
        check_plugins(tmp_path / "one")


def test_a_run_that_is_not_finished_asks_for_its_plug_in(
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    forget: Callable[[], None],
) -> None:
    (tmp_path / "my_flip.py").write_text(PLUGIN)
    plugins.load([str(tmp_path / "my_flip.py")])
    out = tmp_path / "out"
    interrupted(monkeypatch, corpus, out, 1, methods=["flip"])
    forget()
    command = ["augment", "run", f"{corpus}", "-o", f"{out}", "--methods", "flip", "-q", "-j", "1"]
    assert main(command) == 2
    assert f"{out}: holds a run that needs the plug-in my_flip" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 2
    assert "unknown augmentation 'flip'" in capsys.readouterr().err
    plugins.load([str(tmp_path / "my_flip.py")])
    assert main([*command, "--copies", "2"]) == 0


def test_a_worker_without_the_plug_in_names_it() -> None:
    spec = RunSpec("corpus", "out", "{}", 16000)
    with pytest.raises(ConfigError, match="plug-in my_flop: cannot be imported"):
        pipeline(replace(spec, plugins=("my_flop",)))
