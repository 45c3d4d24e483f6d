"""Several corpora as one: every recording of all of them is there once, under a speaker of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sepvae import audio
from sepvae.corpora.join import Joined, join_corpora
from sepvae.corpora.records import open_corpus, read_all
from sepvae.errors import ConfigError, InputError, OutputError


@pytest.fixture
def folder(write_wav: Callable, tmp_path: Path) -> Callable:
    """Return (name, {place: text}, sexes) -> a folder of speakers."""

    def make(name: str, texts: dict[str, str | None], sexes: str) -> Path:
        root = tmp_path / name
        for place, text in texts.items():
            write_wav(root / f"{place}.wav")
            if text:
                (root / f"{place}.txt").write_text(text)
        (root / "speakers.csv").write_text("speaker,sex\n" + sexes)
        return root

    return make


def test_all_recordings_are_there_as_they_were(folder: Callable, make_timit: Callable, tmp_path: Path) -> None:
    ours = folder("ours", {"anna/1": "Good morning.", "ben/1": None}, "anna,f\nben,m\n")
    timit = make_timit(tmp_path / "timit")
    corpora = [("ours", open_corpus(ours)), ("timit", open_corpus(timit))]
    before = {f"{name}-{one.speaker}": [] for name, corpus in corpora for one in corpus.utterances()}
    for name, corpus in corpora:
        for one in corpus.utterances():
            sound, rate = audio.read(corpus.root / one.path)
            before[f"{name}-{one.speaker}"].append((one.sex, one.text, rate, sound.tobytes()))
    assert join_corpora(tmp_path / "all", corpora) == Joined(speakers=5, recordings=8, twice=0)
    joined = open_corpus(tmp_path / "all")
    assert joined.name == "folder"
    after: dict[str, list] = {speaker: [] for speaker in before}
    for one in read_all(joined):
        sound, rate = audio.read(joined.root / one.path)
        after[one.speaker].append((one.sex, one.text, rate, sound.tobytes()))
    assert {name: sorted(rows, key=str) for name, rows in after.items()} == {
        name: sorted(rows, key=str) for name, rows in before.items()
    }


def test_parts_of_one_corpus_share_their_speakers(folder: Callable, tmp_path: Path, caplog) -> None:
    first = folder("first", {"anna/1": None, "anna/2": None}, "anna,f\n")
    second = folder("second", {"anna/2": None, "anna/3": None}, "anna,f\n")
    both = [("ours", open_corpus(first)), ("ours", open_corpus(second))]
    assert join_corpora(tmp_path / "all", both) == Joined(speakers=1, recordings=3, twice=1)
    assert "1 recordings left out, of which one with the same speaker and id was there: anna/2.wav" in caplog.text
    assert (tmp_path / "all/ours-anna/anna_2.wav").resolve() == (first / "anna/2.wav").resolve()


def test_other_people_need_another_name(folder: Callable, tmp_path: Path) -> None:
    first, second = folder("a", {"anna/1": None}, "anna,f\n"), folder("b", {"anna/9": None}, "anna,m\n")
    with pytest.raises(InputError, match="speaker anna is male here and female in another corpus of the name ours"):
        join_corpora(tmp_path / "all", [("ours", open_corpus(first)), ("ours", open_corpus(second))])
    assert not (tmp_path / "all").exists()


def test_the_program_joins_and_overwrites_nothing(program, folder: Callable, tmp_path: Path) -> None:
    ours = folder("ours", {"anna/1": None}, "anna,f\n")
    done = program("corpus", "join", f"a={ours}", f"b={ours}", "-o", tmp_path / "all")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'all'}: 2 recordings of 2 speakers\n")
    again = program("corpus", "join", f"a={ours}", "-o", tmp_path / "all")
    assert again.returncode == 1
    assert str(tmp_path / "all") in again.stderr
    assert program("corpus", "join", str(ours), "-o", tmp_path / "other").returncode == 2


def test_a_corpus_does_not_grow_by_what_is_made_of_it(folder: Callable) -> None:
    ours = folder("ours", {"anna/1": None}, "anna,f\n")
    with pytest.raises(ConfigError, match=r"lies in the corpus .*ours, which would grow by it"):
        join_corpora(ours / "all", [("a", open_corpus(ours))])
    assert not (ours / "all").exists()


def test_a_folder_that_is_there_stays(folder: Callable, tmp_path: Path) -> None:
    ours = folder("ours", {"anna/1": None}, "anna,f\n")
    (tmp_path / "all").write_text("mine")
    with pytest.raises(OutputError, match="all"):
        join_corpora(tmp_path / "all", [("a", open_corpus(ours))])


def test_a_part_without_a_table_learns_the_sexes_of_the_other(folder: Callable, tmp_path: Path) -> None:
    first, second = folder("a", {"anna/1": None}, "anna,f\n"), folder("b", {"anna/9": None}, "anna,\n")
    for number, parts in enumerate(([first, second], [second, first])):
        join_corpora(tmp_path / f"all{number}", [("ours", open_corpus(part)) for part in parts])
        assert {one.sex for one in read_all(open_corpus(tmp_path / f"all{number}"))} == {"female"}


def test_splits_that_are_lost_are_said(make_timit: Callable, tmp_path: Path, caplog) -> None:
    join_corpora(tmp_path / "all", [("timit", open_corpus(make_timit(tmp_path / "timit")))])
    assert "the splits are not kept (test, train)" in caplog.text
