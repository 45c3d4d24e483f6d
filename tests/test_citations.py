"""Equations are cited by numbers that somebody has looked up: those of docs/citations.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(path for folder, ending in (("sepvae", "py"), ("sepvae", "yaml"), ("recipes", "yaml"))
               for path in (ROOT / folder).rglob(f"*.{ending}"))  # fmt: skip
_CITED = re.compile(r"Eqs?\.\s+((?:\(?\d+(?:\.\d+)*\)?(?:,\s+|\s+and\s+|\s+to\s+|[–-])?)+)")
_AUTHORS = re.compile(r"([A-ZÀ-Þ][\w-]+)(?:, [A-ZÀ-Þ][\w-]+)*(?: & [A-ZÀ-Þ][\w-]+| et al\.)?,?(?: Entropy)? (\d{4})")


def numbers(text: str) -> set[str]:
    """Return the equations that a text such as `(82) and (84)` or `(81)–(85)` names."""
    found = re.findall(r"\d+(?:\.\d+)*", text)
    if len(found) == 2 and re.search(r"[–-]|to", text):
        return {str(number) for number in range(int(found[0]), int(found[1]) + 1)}
    return set(found)


def citations(text: str) -> Iterator[tuple[str, str]]:
    """Yield first author with year, and number, of each equation that is cited."""
    flat = " ".join(text.replace("#", " ").split())
    for cited in _CITED.finditer(flat):
        authors = _AUTHORS.findall(flat[: cited.start()])
        source = " ".join(authors[-1]) if authors else "nobody"
        yield from ((source, number) for number in sorted(numbers(cited[1])))


def register() -> set[tuple[str, str]]:
    rows = [line.split("|")[1:3] for line in (ROOT / "docs/citations.md").read_text("utf-8").splitlines()]
    known = [(_AUTHORS.search(row[0]), row[1]) for row in rows if len(row) == 2]
    return {(" ".join(source.groups()), n.strip()) for source, cells in known if source for n in cells.split(",")}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Kingma & Welling 2014, Eq. (10); Fu et al. 2017, Eq. (4).", {("Kingma 2014", "10"), ("Fu 2017", "4")}),
        ("Singh & Ogunfunmi 2022, §6.14, Eqs. (81)–(83).", {("Singh 2022", str(n)) for n in (81, 82, 83)}),
        ("Principe 2010, Eq. (10.18).", {("Principe 2010", "10.18")}),
        ("Do, Tran & Chau 2020, Eqs. 1-2", {("Do 2020", "1"), ("Do 2020", "2")}),
        ("see\n    2012, Eq. 5).", {("nobody", "5")}),
    ],
)  # fmt: skip
def test_citations_are_found(text: str, found: set[tuple[str, str]]) -> None:
    assert set(citations(text)) == found


def test_every_equation_that_is_cited_by_number_has_been_looked_up() -> None:
    known = register()
    assert ("Singh 2022", "83") in known
    unknown = [
        f"{path.relative_to(ROOT)}: {source}, Eq. ({number})"
        for path in FILES
        for source, number in citations(path.read_text(encoding="utf-8"))
        if (source, number) not in known
    ]
    assert not unknown, "look these up and list them in docs/citations.md, or cite the paper alone"
