"""The corpus that a recipe works on: where it is, what it holds, and when it has changed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from sepvae.corpora.records import Corpus, read_all
from sepvae.errors import ConfigError
from sepvae.files import hash_json, write_json, write_jsonl
from sepvae.recipe.common import CorpusConfig


def locate_corpus(config: CorpusConfig, data: Path | None, out: Path) -> Path:
    """Return the corpus folder: `data`, or the demo corpus, synthesised into `out` when it is not there yet.

    Raises:
        ConfigError: the recipe has no demo corpus and no data was given.
    """
    if data is not None:
        return data
    if config.demo_speakers is None:
        raise ConfigError(
            "this recipe needs speech: give its folder with --data DIR (TIMIT, LibriSpeech, VCTK or a folder of "
            "speakers), fetch one with 'sepvae corpus fetch timit-sample DIR', or run recipes/demo.yaml"
        )
    from sepvae.corpora.demo import make_demo_corpus

    folder = out / f"corpus-{config.demo_speakers}"
    if not folder.is_dir():
        make_demo_corpus(folder, speakers=config.demo_speakers)
    return folder


def prepare(corpus: Corpus, path: Path) -> None:
    """List the utterances of a corpus into a JSONL file, and what had to be left out beside it."""
    utterances = read_all(corpus)
    if corpus.problems:
        write_json(path.with_suffix(".problems.json"), [asdict(problem) for problem in corpus.problems])
    write_jsonl(path, (asdict(utterance) for utterance in utterances))


def corpus_state(root: Path) -> str:
    """Return a hash that changes when a file of the corpus is added, removed or written."""
    stats = [(file.relative_to(root).as_posix(), file.stat()) for file in sorted(root.rglob("*")) if file.is_file()]
    return hash_json([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats])
