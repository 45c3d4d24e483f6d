"""The corpus that a recipe works on: where it is, what it holds, and when it has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from sepvae.corpora.records import Corpus, open_corpus, read_all
from sepvae.errors import ConfigError
from sepvae.files import hash_file, hash_json, read_json, read_jsonl, write_json, write_jsonl
from sepvae.inputs import Tree
from sepvae.recipe.common import Recipe, RecipeOptions
from sepvae.recipe.ledger import Ledger, fingerprint


class PreparedCorpus(NamedTuple):
    """A corpus folder, how it was read, the JSONL file that lists its utterances, and the hash of that file by name."""

    root: Path
    layout: str
    listing: Path
    hashes: dict[str, str]


def prepare_corpus(recipe: Recipe, options: RecipeOptions, ledger: Ledger) -> PreparedCorpus:
    """List the utterances of the corpus of a run; the first stage of every recipe.

    Raises:
        ConfigError: the recipe has no demo corpus and no corpus was given.
        InputError: the folder holds no corpus.
    """
    root, listing = _locate(recipe, options), options.out / "utterances.jsonl"
    corpus = open_corpus(root, recipe.corpus.layout)
    state = [recipe.corpus.model_dump(mode="json"), folder_state(root)]
    return PreparedCorpus(
        root, corpus.name, listing, ledger.run("prepare", state, [listing], lambda: write_listing(corpus, listing))
    )


def hash_data(
    ledger: Ledger, corpus: PreparedCorpus, folders: Mapping[str, Path], options: RecipeOptions
) -> dict[str, Any]:
    """Return hashes of what a run read, wherever it lies: the corpus with who says what, and folders by given names."""
    path = options.out / "data.json"

    def work() -> None:
        keys = ("id", "path", "speaker", "sex")
        spoken = [
            [*(one[key] for key in keys), hash_file(corpus.root / one["path"])] for one in read_jsonl(corpus.listing)
        ]
        found = {folder: fingerprint(folder) for folder in {*folders.values()}}
        hashes = {name: found[folder] for name, folder in folders.items()}
        write_json(path, {"layout": corpus.layout, "corpus": hash_json(spoken), "folders": hashes})

    states = {name: folder_state(folder) for name, folder in folders.items()}
    ledger.run("data", [corpus.layout, corpus.hashes, folder_state(corpus.root), states], [path], work)
    data: dict[str, Any] = read_json(path)
    return data


def _locate(recipe: Recipe, options: RecipeOptions) -> Path:
    """Return the corpus folder: the given one, or the demo corpus, synthesised when it is not there yet."""
    if options.corpus is not None:
        if options.out.resolve().is_relative_to(options.corpus.resolve()):
            raise ConfigError(
                f"{options.out}: lies in the corpus, which would grow by it: choose a folder beside {options.corpus}"
            )
        return options.corpus
    if recipe.corpus.demo_speakers is None:
        raise ConfigError(
            f"this recipe needs {recipe.data}: give its folder with --corpus DIR, fetch a corpus with 'sepvae corpus "
            "fetch timit-sample DIR', or try 'sepvae recipe run demo', which makes its own"
        )
    from sepvae.corpora.demo import make_demo_corpus

    folder = options.out / f"corpus-{recipe.corpus.demo_speakers}"
    if not folder.is_dir():
        make_demo_corpus(folder, speakers=recipe.corpus.demo_speakers)
    return folder


def write_listing(corpus: Corpus, path: Path) -> None:
    """Write the utterances of a corpus, and what had to be left out beside them."""
    utterances = read_all(corpus)
    if corpus.problems:
        write_json(path.with_suffix(".problems.json"), [asdict(problem) for problem in corpus.problems])
    write_jsonl(path, (asdict(utterance) for utterance in utterances))


def folder_state(root: Path) -> str:
    """Return a hash that changes when a file in a folder is added, removed or written."""
    found = [(name, root / name) for name in sorted(Tree(root).files(), key=lambda name: name.split("/"))]
    stats = [(name, path.stat()) for name, path in found if path.is_file()]
    return hash_json([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats])
