"""Reading a corpus as a whole: which layout it has, and what is said of its problems."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from sepvae.corpora.records import open_corpus, read_all
from sepvae.errors import ConfigError
from sepvae.recipe.corpus import write_listing


@pytest.mark.parametrize(("n_bad", "n_named"), [(0, 0), (2, 2), (10, 10), (13, 10)])
def test_problems_are_named_and_many_are_counted(
    tmp_path: Path, write_wav: Callable, caplog: pytest.LogCaptureFixture, n_bad: int, n_named: int
) -> None:
    for number in range(15):
        write_wav(tmp_path / f"anna/{number:02}.wav")
    (tmp_path / "speakers.csv").write_text("speaker,sex\nanna,f\n")
    for number in range(n_bad):
        (tmp_path / f"anna/{number:02}.wav").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        assert len(read_all(open_corpus(tmp_path))) == 15 - n_bad
    named = [message for message in caplog.messages if "anna/" in message]
    assert len(named) == n_named and all(f"anna/{number:02}.wav: " in named[number] for number in range(n_named))
    more = [f"{tmp_path}: {n_bad - n_named} more problems: 'sepvae corpus list' names them all"]
    assert caplog.messages[n_named:] == (more if n_bad > n_named else [])


def test_a_recipe_says_them_too(tmp_path: Path, write_wav: Callable, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("anna", "ben"):
        write_wav(tmp_path / f"speech/{name}/1.wav")
    (tmp_path / "speech/ben/1.wav").write_bytes(b"")
    write_listing(open_corpus(tmp_path / "speech"), tmp_path / "utterances.jsonl")
    assert "ben/1.wav: " in caplog.text and "speakers.csv: missing" in caplog.text
    assert (tmp_path / "utterances.jsonl").read_text().count("\n") == 1
    assert (tmp_path / "utterances.problems.json").is_file()


def test_a_layout_is_a_name_of_the_table(tmp_path: Path, write_wav: Callable) -> None:
    write_wav(tmp_path / "anna/1.wav")
    assert open_corpus(tmp_path).name == open_corpus(tmp_path, "folder").name == "folder"
    assert open_corpus(tmp_path, "vctk").name == "vctk", "what is asked for is not doubted"
    with pytest.raises(ConfigError, match="unknown corpus 'vtck'"):
        open_corpus(tmp_path / "nowhere", "vtck")
