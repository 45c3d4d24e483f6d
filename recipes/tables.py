"""Makes the tables of READMEs and docs/claims.md from results beside the recipes; docs/protocol.md says how.

python recipes/tables.py keep OUT [RECIPE]   bring a finished run here; RECIPE where its title is none of ours
python recipes/tables.py write               make all tables anew
python recipes/tables.py check               fail where a table, a result or a chosen setting is not what it should be
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sepvae.errors import ConfigError, InputError, SepvaeError
from sepvae.files import read_json, read_text, write_text
from sepvae.recipe.catalogue import find_recipe, list_recipes
from sepvae.recipe.chosen import DEVELOP, check_chosen, choices_of
from sepvae.recipe.committed import (
    read_committed,
    recipe_of,
    refuse_unfit,
    results_path,
    slim,
    write_committed,
)
from sepvae.recipe.common import Recipe
from sepvae.recipe.kinds import load_recipe
from sepvae.report.claims import ClaimFacts, claims_of
from sepvae.report.markdown import Tables, table
from sepvae.tables import unknown

PROJECT = Path(__file__).resolve().parents[1]
_MARK = re.compile(r"<!-- (?P<kind>[a-z-]+): ?(?P<words>[^\n]*?) ?-->(?P<inside>.*?)<!-- end -->", re.DOTALL)
_FENCE = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
_LISTS = ("measures", "systems", "parts", "headings")


class Committed:
    """The results that are committed in a checkout, in files beside the recipes."""

    def __init__(self, project: Path) -> None:
        self.folder = project / "recipes"
        self.files = sorted(self.folder.rglob("results/*.json"))
        self._read: dict[Path, dict[str, Any]] = {}

    def read(self, path: Path) -> dict[str, Any]:
        """Return the results of a file, which is one of the `files`; errors as of `read_committed`."""
        if path not in self.files:
            raise InputError(f"{path}: no such results in {self.folder}: keep a finished run there")
        if path not in self._read:
            self._read[path] = read_committed(path)
        return self._read[path]

    def name(self, path: Path) -> tuple[str, int | None]:
        """Return the recipe and seed of a file."""
        return recipe_of(PurePosixPath(path.relative_to(self.folder).as_posix()))

    def of(self, recipe: str) -> list[dict[str, Any]]:
        """Return all results of a recipe."""
        return [self.read(path) for path in self.files if self.name(path)[0] == recipe]


def _options(words: str, committed: Committed) -> tuple[Tables, dict[str, Any]]:
    """Return the tables of the files that a mark names, and its options."""
    given = shlex.split(words)
    files = [name for word in given if "=" not in word for name in word.split(",") if name]
    if not files:
        raise ConfigError("names no results: give a file such as recipes/timit/results/vae.json")
    options: dict[str, Any] = dict(word.split("=", 1) for word in given if "=" in word)
    for key in _LISTS:
        if key in options:
            options[key] = [part.strip() for part in options[key].split(",")]
    if "decimals" in options:
        options["decimals"] = int(options["decimals"])
    if "labels" in options:
        if options["labels"] not in ("yes", "no"):
            raise ConfigError(f"labels={options['labels']}: give yes or no")
        options["labels"] = options["labels"] == "yes"
    paths = [committed.folder.parent / name for name in files]
    results = tuple(committed.read(path) for path in paths)
    # A mean over the seeds of a recipe is one of nothing else.
    if len({committed.name(path)[0] for path in paths}) > 1 or len({*paths}) < len(paths):
        raise ConfigError(f"{', '.join(files)}: give files of one recipe, each from another seed, and once")
    return Tables(results), options


def _claims(committed: Committed) -> Iterator[tuple[str, str, ClaimFacts]]:
    """Yield every claim of every result, with its file and part, but those of development recipes."""
    for path in committed.files:
        if committed.name(path)[0].startswith(f"{DEVELOP}/"):
            continue
        results, where = committed.read(path), path.relative_to(committed.folder).as_posix()
        for part in results["order"]:
            yield from ((where, part, facts) for facts in claims_of(results, part))


def _every_claim(committed: Committed, verdict: str) -> str:
    """Return the claims with a verdict as a table, each with the file that it comes from."""
    rows = []
    for where, part, facts in _claims(committed):
        if facts.verdict == verdict:
            cells = facts._asdict()
            del cells["verdict"]
            rows.append([*cells.values(), part.replace("_", " "), f"[{where}](../recipes/{where})"])
    headings = [name for name in ClaimFacts.headings() if name != "verdict"]
    return table([*headings, "part", "results"], rows) if rows else "None yet."


def _missing(committed: Committed) -> str:
    """Return what was not measured, as a list: recipes without results, parts, and claims without a test."""
    lines = []
    for one in list_recipes():
        if one.name.startswith(f"{DEVELOP}/"):
            continue
        found = committed.of(one.name)
        if not found:
            lines.append(f"- `{one.name}`: not measured yet")
        parts = load_recipe(find_recipe(one.name)).part_names if found else ()
        absent = [part.replace("_", " ") for part in parts if part not in found[0]["splits"]]
        lines += [f"- `{one.name}`, {part}: not measured" for part in absent]
    lines += [
        f"- {where}, {part.replace('_', ' ')}: “{facts.claim}” has too few clusters for a test ({facts.clusters})"
        for where, part, facts in _claims(committed)
        if facts.p == "–"
    ]
    return "\n".join(lines) or "Nothing."


def _made(kind: str, words: str, committed: Committed) -> str:
    """Return what stands inside a mark: the text of a table, a line, or a single figure."""
    if kind in ("every-claim", "missing"):
        return f"\n\n{_every_claim(committed, words) if kind == 'every-claim' else _missing(committed)}\n\n"
    tables, options = _options(words, committed)
    kinds: Mapping[str, Callable[..., str]] = {
        "table": tables.scores,
        "across": tables.across,
        "claims": tables.claims,
        "named-speakers": tables.named_speakers,
        "provenance": tables.provenance,
        "value": tables.value,
    }
    if kind not in kinds:
        raise ConfigError(unknown("mark", kind, [*kinds, "every-claim", "missing"]))
    try:
        text = kinds[kind](**options)
    except TypeError as error:
        raise ConfigError(f"options that {kind} does not have, or none that it needs: {error}") from error
    return text if kind == "value" else f"\n{text}\n" if kind == "provenance" else f"\n\n{text}\n\n"


def rewritten(path: Path, committed: Committed) -> str:
    """Return the text of a file with all its tables made anew; ConfigError names the mark that cannot be."""
    text, where = read_text(path), path.relative_to(committed.folder.parent).as_posix()
    fences = [match.span() for match in _FENCE.finditer(text)]

    def replace(match: re.Match[str]) -> str:
        if any(start <= match.start() < stop for start, stop in fences):
            return match[0]
        mark = f"<!-- {match['kind']}: {match['words']}".rstrip()
        if "<!-- " in match["inside"]:
            raise ConfigError(f"{where}: {mark} -->: has no end before the next mark")
        try:
            return f"{mark} -->{_made(match['kind'], match['words'], committed)}<!-- end -->"
        except (SepvaeError, ValueError) as error:
            raise ConfigError(f"{where}: {mark} -->: {error}") from error
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            again = "keep the finished run there again"
            raise ConfigError(f"{where}: {mark} -->: results of another form ({error!r}): {again}") from error

    return _MARK.sub(replace, text)


def pages(project: Path) -> list[Path]:
    """Return the files that may have tables."""
    return [project / "README.md", *sorted((project / "recipes").rglob("README.md")), project / "docs" / "claims.md"]


def _chosen_problems(committed: Committed) -> Iterator[str]:
    """Yield what is wrong with the settings of all recipes that are said to be chosen."""
    claimed, used = dict[tuple[str, str], str](), set[tuple[str, str]]()
    for one in list_recipes():
        recipe: Recipe = load_recipe(find_recipe(one.name))
        claimed |= {(chosen.setting, chosen.result): one.name for chosen in recipe.chosen}
        reported = [] if one.name.startswith(f"{DEVELOP}/") else committed.of(one.name)
        for chosen in choices_of(recipe):
            used.add((chosen.setting, chosen.result))
            yield from (f"{one.name}: {p}" for p in check_chosen(recipe, chosen, committed.of(chosen.result), reported))
    # In a recipe that leaves a system out a choice about it is of no concern; in all of them it is a slip.
    yield from (
        f"{name}: chosen: {setting}: no recipe has this system: correct the key"
        for (setting, _), name in claimed.items()
        if setting not in {own for own, _ in used}
    )


def _unfit(committed: Committed) -> list[str]:
    """Return what is wrong with results: they are damaged, or not those of their recipes."""
    found = list[str]()
    for path in committed.files:
        try:
            recipe, seed = committed.name(path)
            refuse_unfit(committed.read(path), recipe, seed=seed)
        except SepvaeError as error:
            found.append(f"{path.relative_to(committed.folder.parent).as_posix()}: {error}")
    return found


def _other_copies(committed: Committed) -> Iterator[str]:
    """Yield the utterances and recordings that are other files in one result than in another, as of a damaged copy."""
    seen = dict[tuple[str, str], tuple[str, str]]()
    told = set[tuple[str, str]]()
    for path in committed.files:
        results, where = committed.read(path), path.relative_to(committed.folder).as_posix()
        layout = str(results["data"]["layout"])
        for tested in results["tested"].values():
            for name, own in {**tested["utterances"], **tested.get("recordings", {})}.items():
                before, there = seen.setdefault((layout, name), (own, where))
                if own != before and (there, where) not in told:
                    told.add((there, where))
                    yield f"{where}: {name} is another file than in {there}: measure both on one copy of the data"


def problems(project: Path) -> list[str]:
    """Return what is wrong: results that are not those of their recipes, chosen settings, and tables made by hand."""
    committed = Committed(project)
    # Of damaged results neither choices nor tables can be judged.
    if found := _unfit(committed):
        return found
    found += [*_chosen_problems(committed), *_other_copies(committed)]
    for page in filter(Path.is_file, pages(project)):
        try:
            if rewritten(page, committed) != read_text(page):
                where = page.relative_to(project).as_posix()
                found.append(f"{where}: a table is not what its results give: run 'make tables'")
        except SepvaeError as error:
            found.append(str(error))
    return found


def write(project: Path) -> list[Path]:
    """Make all tables anew and return the files that have changed; errors as of `rewritten`.

    Raises:
        ConfigError: results are damaged, or not those of their recipes: no table is made from any.
    """
    committed = Committed(project)
    if found := _unfit(committed):
        raise ConfigError("; ".join(found))
    texts = {page: rewritten(page, committed) for page in filter(Path.is_file, pages(project))}
    changed = [page for page, text in texts.items() if text != read_text(page)]
    for page in changed:
        write_text(page, texts[page])
    return changed


def keep(out: Path, project: Path, recipe: str | None = None) -> Path:
    """Bring the results of a finished run beside its recipe and return their file.

    Raises:
        ConfigError: they are of a quick form, of plug-ins, or of other settings than those of the recipe.
        InputError: there are none, or of another version.
    """
    results = slim(read_json(out / "results.json"))
    named = [one.name for one in list_recipes() if one.title == results["title"]]
    if recipe is None and len(named) != 1:
        raise InputError(f"{out}: {len(named)} recipes have the title {results['title']!r}: name the recipe, too")
    name = recipe or named[0]
    own = load_recipe(find_recipe(name)).seed
    seed = None if results["seed"] == own else int(results["seed"])
    refuse_unfit(results, name, seed=seed)
    path = project / "recipes" / results_path(name, seed)
    write_committed(path, results)
    return path


def main() -> int:
    """Run a command of the script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    actions = parser.add_subparsers(dest="action", required=True)
    keeping = actions.add_parser("keep", help="bring a finished run beside its recipe")
    keeping.add_argument("out", type=Path, help="its --out folder")
    keeping.add_argument("recipe", nargs="?", help="its name, where its title does not tell")
    actions.add_parser("write", help="make all tables anew")
    actions.add_parser("check", help="fail where a table, a result or a chosen setting is not what it should be")
    args = parser.parse_args()
    try:
        if args.action == "keep":
            print(keep(args.out, PROJECT, args.recipe))
        elif args.action == "write":
            print(*write(PROJECT), sep="\n")
        elif found := problems(PROJECT):
            sys.stderr.write("\n".join(found) + "\n")
            return 1
    except SepvaeError as error:
        sys.stderr.write(f"tables: error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
