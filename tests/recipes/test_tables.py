"""The tables of the READMEs: those of this checkout are what its results give, and what is planted is refused."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sepvae.errors import ConfigError, InputError, SepvaeError
from sepvae.files import write_json
from sepvae.recipe import catalogue
from sepvae.recipe.committed import slim, write_committed
from sepvae.recipe.kinds import load_recipe
from sepvae.recipe.separation.schema import SeparationRecipe

from ..made_results import claim_test, made_results

PROJECT = Path(__file__).resolve().parents[2]
RECIPE = """
title: Mine
splits: [speaker_seen]
systems:
  mixture: {kind: mixture}
  nmf: {kind: nmf, settings: {n_atoms: 20}}
hypotheses:
  - {claim: NMF separates, system: nmf, others: [mixture], direction: greater}
chosen:
  - {setting: systems.nmf.settings.n_atoms, result: develop/nmf}
"""
DEVELOP = """
title: Atoms
splits: [speaker_open]
systems:
  nmf: {kind: nmf}
grid:
  - {system: nmf, cells: {10_atoms: {n_atoms: 10}, 20_atoms: {n_atoms: 20}}}
"""
PAGE = """# Mine

It reaches <!-- value: recipes/timit/results/mine.json system=nmf decimals=1 --><!-- end --> dB.

<!-- table: recipes/timit/results/mine.json measures=sdr --><!-- end -->

<!-- claims: recipes/timit/results/mine.json --><!-- end -->

<!-- provenance: recipes/timit/results/mine.json --><!-- end -->

```
<!-- table: how it is written --> <!-- end -->
```
"""


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tables_of_recipes", PROJECT / "recipes" / "tables.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Change = Callable[..., None]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout with a recipe, one that its setting was chosen on, results of both, and pages."""
    for name, text in (("timit/mine", RECIPE), ("develop/nmf", DEVELOP)):
        path = tmp_path / "recipes" / f"{name}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    monkeypatch.setattr(catalogue, "resource", lambda name: tmp_path / name)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "claims.md").write_text((PROJECT / "docs" / "claims.md").read_text(encoding="utf-8"))
    (tmp_path / "README.md").write_text(PAGE)
    commit(tmp_path, "timit/mine", {"mixture": 0.0, "nmf": 6.26}, speakers=["test1", "test2"])
    commit(tmp_path, "develop/nmf", {"nmf_10_atoms": 5.0, "nmf_20_atoms": 7.0}, speakers=["dev1", "dev2"])
    return tmp_path


def found(project: Path, name: str, means: dict[str, float], **changes: Any) -> dict[str, Any]:
    recipe = load_recipe(project / "recipes" / f"{name}.yaml")
    assert isinstance(recipe, SeparationRecipe)
    claims = [claim_test(recipe)] if recipe.hypotheses else []
    return made_results(recipe, means, claims=claims, **changes)


def commit(project: Path, name: str, means: dict[str, float], **changes: Any) -> Path:
    folder, _, stem = name.partition("/")
    path = project / "recipes" / folder / "results" / f"{stem}.json"
    write_committed(path, slim(found(project, name, means, **changes)))
    return path


def test_those_of_this_checkout_are_what_its_results_give(tables: ModuleType) -> None:
    """Results are those of their recipes, settings were chosen where nothing is reported, and no table is by hand."""
    assert tables.problems(PROJECT) == []


def test_tables_are_made_and_then_found_right(tables: ModuleType, project: Path) -> None:
    assert tables.problems(project) == [
        "README.md: a table is not what its results give: run 'make tables'",
        "docs/claims.md: a table is not what its results give: run 'make tables'",
    ]
    assert tables.write(project) == [project / "README.md", project / "docs" / "claims.md"]
    page = (project / "README.md").read_text()
    assert "It reaches <!-- value: recipes/timit/results/mine.json system=nmf decimals=1 -->6.3<!-- end --> dB." in page
    assert "measures=sdr -->\n\n| system | SDR |\n|---|---|\n| `mixture` | 0.00 [−1.00, 1.00] |\n" in page
    assert "| NMF separates | supported | +1.25 dB SDR against `mixture` | 0.023 | 10 | 8 | 1 | – |" in page
    assert "<!-- table: how it is written --> <!-- end -->" in page
    assert tables.problems(project) == [] and tables.write(project) == []


def test_the_page_of_claims_has_every_claim_and_what_is_missing(tables: ModuleType, project: Path) -> None:
    (project / "README.md").write_text("nothing")
    commit(project, "timit/mine", {"mixture": 0.0, "nmf": 6.26}, parts=[])
    (project / "recipes" / "timit" / "other.yaml").write_text("title: Other\nsystems: {mixture: {kind: mixture}}\n")
    tables.write(project)
    supported, missing = (project / "docs" / "claims.md").read_text().split("## What is missing")
    assert "NMF separates" not in supported
    assert "- `timit/mine`, speaker seen: not measured\n- `timit/other`: not measured yet" in missing
    commit(project, "timit/mine", {"mixture": 0.0, "nmf": 6.26})
    tables.write(project)
    page = (project / "docs" / "claims.md").read_text()
    where = "speaker seen | [timit/results/mine.json](../recipes/timit/results/mine.json) |"
    assert f"| NMF separates | +1.25 dB SDR against `mixture` | 0.023 | 10 | 8 | 1 | – | {where}" in page
    assert page.index("## Supported") < page.index("NMF separates") < page.index("## Contradicted")


@pytest.mark.parametrize("planted", ["6.26 [", "-->6.3<", "supported |", "seed 0"])
def test_a_table_that_was_edited_by_hand_is_refused(tables: ModuleType, project: Path, planted: str) -> None:
    tables.write(project)
    page = project / "README.md"
    text = page.read_text()
    assert planted in text
    page.write_text(text.replace(planted, planted.replace("6", "9").replace("supported", "proven").replace("0", "1")))
    assert tables.problems(project) == ["README.md: a table is not what its results give: run 'make tables'"]


def test_results_of_other_settings_are_refused_and_named(tables: ModuleType, project: Path) -> None:
    tables.write(project)
    recipe = project / "recipes" / "timit" / "mine.yaml"
    recipe.write_text(RECIPE.replace("n_atoms: 20", "n_atoms: 10"))
    (problem,) = tables.problems(project)
    assert problem.startswith("recipes/timit/results/mine.json: timit/mine: the results were made with other settings")
    assert "systems.nmf.settings.n_atoms is 20, not 10" in problem
    # Other words are no other settings.
    recipe.write_text(RECIPE.replace("Mine", "Ours"))
    assert tables.problems(project) == []


def test_no_table_is_made_of_results_of_other_settings(tables: ModuleType, project: Path) -> None:
    (project / "recipes" / "timit" / "mine.yaml").write_text(RECIPE.replace("n_atoms: 20", "n_atoms: 10"))
    with pytest.raises(ConfigError, match=r"mine\.json: timit/mine: .*n_atoms is 20, not 10"):
        tables.write(project)
    assert (project / "README.md").read_text() == PAGE


@pytest.mark.parametrize(
    "damage",
    [
        {"splits": []},
        {"splits": {"speaker_seen": {}}},
        {"splits": {"speaker_seen": {"systems": [], "voices": {}, "hypotheses": []}}},
        {"order": []},
        {"order": ["speaker_open"]},
        {"tested": {}},
        {"measure_facts": [{}]},
        {"system_facts": [{}]},
    ],
)
def test_damaged_results_are_told_of(tables: ModuleType, project: Path, damage: dict[str, Any]) -> None:
    path = project / "recipes" / "timit" / "results" / "mine.json"
    write_json(path, json.loads(path.read_text()) | damage)
    with pytest.raises(SepvaeError, match=r"mine\.json.*keep the finished run there"):
        tables.write(project)
    assert any("mine.json" in problem for problem in tables.problems(project))


def test_results_without_a_recipe_are_refused(tables: ModuleType, project: Path) -> None:
    (project / "recipes" / "timit" / "mine.yaml").unlink()
    (problem,) = tables.problems(project)
    assert problem.startswith("recipes/timit/results/mine.json: unknown recipe 'timit/mine'")


def test_a_setting_that_was_chosen_on_the_test_is_refused(tables: ModuleType, project: Path) -> None:
    commit(project, "develop/nmf", {"nmf_10_atoms": 5.0, "nmf_20_atoms": 7.0}, speakers=["dev1", "test1"])
    tables.write(project)
    (problem,) = tables.problems(project)
    assert problem.startswith("timit/mine: systems.nmf.settings.n_atoms (chosen on develop/nmf): was tested there on")
    assert "the speaker test1, and so is the recipe" in problem


def test_a_setting_that_is_not_that_of_the_best_cell_is_refused(tables: ModuleType, project: Path) -> None:
    commit(project, "develop/nmf", {"nmf_10_atoms": 8.0, "nmf_20_atoms": 7.0}, speakers=["dev1", "dev2"])
    tables.write(project)
    (problem,) = tables.problems(project)
    assert "is 20, and the best there (nmf_10_atoms) has 10: take that, or say because of what" in problem


def test_a_setting_of_a_system_that_no_recipe_has_is_refused(tables: ModuleType, project: Path) -> None:
    recipe = project / "recipes" / "timit" / "mine.yaml"
    recipe.write_text(RECIPE.replace("systems.nmf.settings", "systems.nfm.settings"))
    tables.write(project)
    (problem,) = tables.problems(project)
    assert problem == "timit/mine: chosen: systems.nfm.settings.n_atoms: no recipe has this system: correct the key"


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ("table: recipes/timit/results/no.json", r"README\.md: <!-- table: .*no\.json -->: .*no such results in"),
        ("table: ../mine.json", r"no such results in"),
        ("table: measures=sdr", r"names no results: give a file such as recipes/timit/results/vae\.json"),
        ("tabble: recipes/timit/results/mine.json", r"unknown mark 'tabble': did you mean 'table'\?"),
        ("table: recipes/timit/results/mine.json colour=red", r"options that table does not have"),
        ("value: recipes/timit/results/mine.json system=vae", r"unknown system 'vae'"),
        ("across: recipes/timit/results/mine.json", r"or none that it needs"),
        ("table: recipes/timit/results/mine.json decimals=few", r"invalid literal for int"),
        ("table: recipes/timit/results/mine.json 'measures=sdr", r"No closing quotation"),
        ("table: recipes/timit/results/mine.json,recipes/develop/results/nmf.json", r"give files of one recipe"),
        ("table: recipes/timit/results/mine.json,recipes/timit/results/mine.json", r"and once"),
        ("value: recipes/timit/results/mine.json system=nmf minus=mixture stat=n", r"the difference of means alone"),
    ],
)
def test_marks_that_mean_nothing_are_named(tables: ModuleType, project: Path, mark: str, message: str) -> None:
    (project / "README.md").write_text(f"<!-- {mark} --><!-- end -->")
    with pytest.raises(ConfigError, match=message):
        tables.write(project)
    assert any("README.md: " in problem for problem in tables.problems(project))


def test_a_mark_without_an_end_is_named(tables: ModuleType, project: Path) -> None:
    mark = "<!-- table: recipes/timit/results/mine.json -->"
    (project / "README.md").write_text(f"{mark}\n\n{mark}<!-- end -->")
    with pytest.raises(ConfigError, match=r"has no end before the next mark"):
        tables.write(project)


def test_a_finished_run_is_brought_beside_its_recipe(tables: ModuleType, project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_json(out / "results.json", found(project, "timit/mine", {"mixture": 0.0, "nmf": 8.0}))
    kept = tables.keep(out, project)
    assert kept == project / "recipes" / "timit" / "results" / "mine.json"
    assert json.loads(kept.read_text())["splits"]["speaker_seen"]["systems"]["nmf"]
    tables.write(project)
    assert "-->8.0<" in (project / "README.md").read_text() and tables.problems(project) == []
    for changes, message in (({"quick": True}, "quick form"), ({"plugins": ["mine"]}, "need plug-ins, mine")):
        write_json(out / "results.json", found(project, "timit/mine", {"nmf": 8.0}, **changes))
        with pytest.raises(ConfigError, match=message):
            tables.keep(out, project)
    (project / "recipes" / "timit" / "mine.yaml").write_text(RECIPE.replace("seen", "open"))
    write_json(out / "results.json", found(project, "develop/nmf", {"nmf_10_atoms": 8.0}, title="?"))
    with pytest.raises(InputError, match=r"0 recipes have the title '\?': name the recipe, too"):
        tables.keep(out, project)
    with pytest.raises(ConfigError, match=r"made with other settings than the recipe has"):
        tables.keep(out, project, "timit/mine")


def test_runs_from_other_seeds_lie_beside_the_first_and_are_shown_as_their_mean(
    tables: ModuleType, project: Path, tmp_path: Path
) -> None:
    recipe = load_recipe(project / "recipes" / "timit" / "mine.yaml", overrides=["seed=1"])
    assert isinstance(recipe, SeparationRecipe)
    write_json(tmp_path / "out" / "results.json", made_results(recipe, {"mixture": 0.0, "nmf": 8.26}))
    kept = tables.keep(tmp_path / "out", project)
    assert kept.name == "mine.seed_1.json"
    files = "recipes/timit/results/mine.json,recipes/timit/results/mine.seed_1.json"
    (project / "README.md").write_text(f"<!-- table: {files} measures=sdr systems=nmf --><!-- end -->\n")
    tables.write(project)
    assert "| `nmf` | 7.26 [6.26, 8.26] |" in (project / "README.md").read_text()
    assert tables.problems(project) == []


def test_results_of_another_copy_of_the_data_are_told_of(tables: ModuleType, project: Path, tmp_path: Path) -> None:
    """As of a damaged one: an utterance is one file, whoever measures on it."""
    recipe = load_recipe(project / "recipes" / "timit" / "mine.yaml", overrides=["seed=1"])
    assert isinstance(recipe, SeparationRecipe)
    other = made_results(recipe, {"mixture": 0.0, "nmf": 8.26}, speakers=["test1", "test2"])
    tested = other["tested"]["speaker_seen"]
    name = next(iter(tested["utterances"]))
    tested["utterances"][name] = "0" * 16
    write_json(tmp_path / "out" / "results.json", other)
    tables.keep(tmp_path / "out", project)
    told = f"timit/results/mine.seed_1.json: {name} is another file than in timit/results/mine.json"
    assert any(problem.startswith(told) for problem in tables.problems(project))


def test_labels_are_yes_or_no(tables: ModuleType, project: Path) -> None:
    (project / "README.md").write_text("<!-- table: recipes/timit/results/mine.json labels=ja --><!-- end -->\n")
    assert any("labels=ja: give yes or no" in problem for problem in tables.problems(project))
