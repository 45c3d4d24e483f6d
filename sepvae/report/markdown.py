"""Results as tables in Markdown: scores, claims, one measure across parts, single figures, and where they come from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, get_args

from sepvae.errors import ConfigError, InputError
from sepvae.evaluation import IMPROVEMENT
from sepvae.evaluation.contract import Description
from sepvae.report.claims import ClaimFacts, Results, claims_of
from sepvae.report.labels import NAMED, Measures, format_value, is_number, name_counts, read_measures
from sepvae.report.systems import ShownSystem, read_systems
from sepvae.systems.roles import Role
from sepvae.tables import unknown

# A figure of a system, or of its time.
Statistic = Literal["mean", "low", "high", "n", "failed", "train_minutes", "separate_minutes"]
_NOTHING = "–"
_COUNTED = ("right", "of")
_BSSEVAL = "_bsseval_v3_512"
_FIGURES_OF_HASH = 12


class _Score(NamedTuple):
    """A measure of a system: its mean and interval over mixtures, or over several runs the mean and its range."""

    mean: float
    low: float | None
    high: float | None
    n_failed: int
    n_total: int
    notes: tuple[str, ...] = ()


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown.

    Example:
        >>> print(table(["system", "SDR"], [["`vae`", "6.5"]]))
        | system | SDR |
        |---|---|
        | `vae` | 6.5 |
    """
    lines = [headings, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    text = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([text[0], "|" + "---|" * len(headings), *text[1:]])


@dataclass(frozen=True)
class Tables:
    """The tables of a result, or of several of one recipe that differ in the seed: then figures are means over them.

    ConfigError for a part, system or measure that the results do not have.
    """

    results: tuple[Results, ...]

    @cached_property
    def measures(self) -> Measures:
        """How the measures are shown."""
        return read_measures(self.results[0]["measure_facts"])

    @cached_property
    def _shown(self) -> dict[str, ShownSystem]:
        return {one.name: one for one in read_systems(self.results[0]["system_facts"])}

    def part(self, name: str | None) -> str:
        """Return the name of a part, by default of the main one."""
        parts = [part for part in self.results[0]["order"] if all(part in one["splits"] for one in self.results)]
        if not parts:
            raise InputError("the results have no part in common: run the recipe again")
        return _known("part", parts[0] if name is None else name, parts)

    def measure(self, part: str, name: str) -> str:
        """Return a measure by its name, or that without which version of BSSEval it is."""
        taken = dict.fromkeys(name for own in self.results[0]["splits"][part]["systems"].values() for name in own)
        improved = name.removesuffix(IMPROVEMENT)
        longer = f"{improved}{_BSSEVAL}{name[len(improved) :]}"
        return longer if longer in taken and name not in taken else _known("measure", name, taken)

    def systems(self, part: str, names: Sequence[str] | None, measure: str) -> list[str]:
        """Return the systems of a part, or some of them, by role and then from the worst to the best."""
        found = self.results[0]["splits"][part]["systems"]
        for name in names or ():
            _known("system", name, found)
        sign, roles = (-1.0 if self.measures[measure].better == "lower" else 1.0), get_args(Role)

        def place(name: str) -> tuple[int, float]:
            score = self.score(part, name, measure)
            return roles.index(self._shown[name].role), -math.inf if score is None else sign * score.mean

        return sorted(found if names is None else names, key=place)

    def score(self, part: str, system: str, measure: str, *, voices: str | None = None) -> _Score | None:
        """Return what a system has by a measure, over mixtures of some voices alone if they are given."""
        found = []
        for one in self.results:
            split = one["splits"][part]
            summaries = (
                split["systems"] if voices is None else split["voices"][_known("voices", voices, split["voices"])]
            )
            if (summary := summaries.get(system, {}).get(measure)) is None or not is_number(summary["mean"]):
                return None
            found.append(summary)
        means, failed = [one["mean"] for one in found], sum(one["n_failed"] for one in found)
        low, high = found[0].get("ci95", (None, None)) if len(found) == 1 else (min(means), max(means))
        notes = [f"{failed} failed"] if failed else []
        if (n_seeds := found[0].get("seeds", 1)) > 1 and len(found) == 1:
            spread = format_value(found[0]["seed_std"], self.measures[measure].decimals)
            notes.insert(0, f"{n_seeds} seeds ± {spread}")
        n_total = sum(one["n_total"] for one in found)
        return _Score(math.fsum(means) / len(means), low, high, failed, n_total, tuple(notes))

    def scores(
        self,
        *,
        part: str | None = None,
        measures: Sequence[str] | None = None,
        systems: Sequence[str] | None = None,
        voices: str | None = None,
        decimals: int | None = None,
        labels: bool = False,
    ) -> str:
        """Return a table with a line for each system: means, the first with its interval, and how many failed.

        Args:
            part: of the results, by default the main one.
            measures: the columns, by default all but improvements.
            systems: the lines, by default all.
            voices: a measure that is also shown by the voices in the mixtures, where they differ.
            decimals: of figures with a unit, by default those of each measure.
            labels: call systems by what a page calls them, and not by their names in the recipe.
        """
        part = self.part(part)
        split = self.results[0]["splits"][part]
        columns = [self.measure(part, name) for name in measures or self._usual(part)]
        names = self.systems(part, systems, columns[0])
        groups = [] if voices is None else list(split.get("voices", {}))
        headings, cells = ["system"], [[self._called(name, labels=labels)] for name in names]
        for number, measure in enumerate(columns):
            headings.append(self._heading(measure, first=number == 0))
            self._add(cells, names, [self.score(part, name, measure) for name in names], measure, decimals, number == 0)
        for group in groups:
            measure = self.measure(part, voices or "")
            headings.append(f"{self.measures[measure].label}, {group}")
            own = [self.score(part, name, measure, voices=group) for name in names]
            self._add(cells, names, own, measure, decimals, interval=False)
        return table(headings, cells)

    def across(
        self,
        *,
        measure: str,
        parts: Sequence[str] | None = None,
        systems: Sequence[str] | None = None,
        headings: Sequence[str] | None = None,
        rows: str = "systems",
        decimals: int | None = None,
        labels: bool = False,
    ) -> str:
        """Return a table of one measure with a line for each system and a column for each part, or with `rows` parts.

        Arguments as of `scores`; `headings` is what to call the parts.
        """
        chosen = [self.part(name) for name in parts or self.results[0]["order"]]
        measure = self.measure(chosen[0], measure)
        titles = list(headings) if headings else [name.replace("_", " ") for name in chosen]
        if len(titles) != len(chosen):
            raise ConfigError(f"headings: {len(titles)} for {len(chosen)} parts: give one for each")
        names = self.systems(chosen[0], systems, measure)
        called = [self._called(name, labels=labels) for name in names]
        cells: list[list[str]] = [[] for _ in names]
        for part in chosen:
            found = [self.score(part, name, measure) for name in names]
            self._add(cells, names, found, measure, decimals, interval=False)
        if _known("rows", rows, ("systems", "parts")) == "parts":
            return table(["part", *called], [[title, *column] for title, *column in zip(titles, *cells, strict=True)])
        return table(["system", *titles], [[name, *row] for name, row in zip(called, cells, strict=True)])

    def claims(self, *, part: str | None = None) -> str:
        """Return a table with a line for each claim, and each result: the verdict and what it rests on."""
        part = self.part(part)
        return table(ClaimFacts.headings(), [facts for one in self.results for facts in claims_of(one, part)])

    def named_speakers(self, *, part: str | None = None, labels: bool = False) -> str:
        """Return a table of how often each system that knows speakers named the right one, counted over the results."""
        part, rows = self.part(part), list[list[str]]()
        parts = [one["splits"][part].get("named_speakers", {}) for one in self.results]
        for name in self._shown:
            if found := [one[name] for one in parts if name in one]:
                classes = {"classes": max(one["classes"] for one in found)}
                counts = {kind: {key: sum(one[kind][key] for one in found) for key in _COUNTED} for kind in NAMED}
                rows.append([self._called(name, labels=labels), *name_counts({**classes, **counts}).values()])
        return table(["system", "speakers known", "clean utterances", "separated sources"], rows)

    def provenance(self) -> str:
        """Return when and on what the results were made, in what time, and from which seeds, settings and data."""
        first = self.results[0]
        made = {f"sepvae {one['versions']['sepvae']}, torch {one['versions']['torch']}" for one in self.results}
        processors = {_processor(one) for result in self.results for one in result["processors"]}
        seconds = [one["core_seconds"] for one in self.results]
        took = "in an unknown time" if None in seconds else f"in {_time(math.fsum(seconds))} of one core"
        devices = {one["device"] for one in self.results}
        where = "" if devices == {"cpu"} else f" and {', '.join(sorted(devices))}"
        seeds = f"{_plural('seed', len(seconds))} {', '.join(str(one['seed']) for one in self.results)}"
        folders = "".join(f", {name} {value[:_FIGURES_OF_HASH]}" for name, value in first["data"]["folders"].items())
        return (
            f"Measured on {_range(one['date'] for one in self.results)} with {'; '.join(sorted(made))} on "
            f"{'; '.join(sorted(processors))}{where} {took}: {seeds}, settings "
            f"{', '.join(one['settings_hash'][:_FIGURES_OF_HASH] for one in self.results)}, corpus "
            f"{first['data']['corpus'][:_FIGURES_OF_HASH]}{folders}."
        )

    def value(
        self,
        *,
        system: str,
        measure: str | None = None,
        part: str | None = None,
        voices: str | None = None,
        minus: str | None = None,
        stat: str = "mean",
        decimals: int | None = None,
    ) -> str:
        """Return a single figure of a system: its mean, that less the mean of another one, or another statistic."""
        part = self.part(part)
        _known("system", system, self._shown)
        name = self.measure(part, measure or self._usual(part)[0])
        places = _decimals(self.measures[name], decimals)
        if _known("stat", stat, get_args(Statistic)) != "mean" and minus is not None:
            raise ConfigError(f"minus={minus}, stat={stat}: of two systems there is the difference of means alone")
        if stat.endswith("_minutes"):
            if (minutes := self._minutes(part, system, stat.removesuffix("_minutes"))) is None:
                raise ConfigError(f"how long {system} took in {part} is not known: leave {stat} out")
            return format_value(minutes, decimals or 0)
        score = self.score(part, system, name, voices=voices)
        if score is None:
            raise ConfigError(f"{system} has no {name} in {part}: choose another measure")
        if minus is not None:
            other = self.score(part, _known("system", minus, self._shown), name, voices=voices)
            return format_value(score.mean - other.mean if other else None, places)
        if stat in ("n", "failed"):
            return str(score.n_total if stat == "n" else score.n_failed)
        return format_value(getattr(score, stat), places)

    def _minutes(self, part: str, system: str, work: str) -> float | None:
        """Return the minutes of one core that a system took for a part, the mean over the results."""
        seconds = [one["core_seconds_of"].get(part, {}).get(system, {}).get(work) for one in self.results]
        return None if None in seconds else math.fsum(seconds) / len(seconds) / 60

    def _usual(self, part: str) -> list[str]:
        """Return the measures that somebody has a score by, without improvements."""
        found = self.results[0]["splits"][part]["systems"].values()
        taken = self.measures.ordered(name for own in found for name in own if not name.endswith(IMPROVEMENT))
        return [name for name in taken if any(is_number(own.get(name, {}).get("mean")) for own in found)]

    def _called(self, name: str, *, labels: bool) -> str:
        return self._shown[name].label if labels else f"`{name}`"

    def _heading(self, measure: str, *, first: bool) -> str:
        several = len(self.results)
        return self.measures[measure].label + (f" (lowest, highest of {several} runs)" if first and several > 1 else "")

    def _add(
        self,
        cells: list[list[str]],
        names: Sequence[str],
        scores: Sequence[_Score | None],
        measure: str,
        decimals: int | None,
        interval: bool,
    ) -> None:
        """Add a column of scores to the lines of systems, the best competitor in bold."""
        shown = self.measures[measure]
        rivals = [
            one.mean for name, one in zip(names, scores, strict=True) if one is not None and self._shown[name].competes
        ]
        choose: Callable[[list[float]], float] | None = {"higher": max, "lower": min}.get(shown.better or "")
        best = choose(rivals) if choose and len(rivals) > 1 else None
        for line, name, score in zip(cells, names, scores, strict=True):
            bold = score is not None and score.mean == best and self._shown[name].competes
            line.append(_cell(score, shown, decimals, interval=interval, bold=bold))


def _decimals(shown: Description, wanted: int | None) -> int:
    return shown.decimals if wanted is None or not shown.unit else wanted


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"


def _cell(score: _Score | None, shown: Description, decimals: int | None, *, interval: bool, bold: bool) -> str:
    if score is None:
        return _NOTHING
    places = _decimals(shown, decimals)
    text = format_value(score.mean, places)
    text = f"**{text}**" if bold else text
    if interval and score.low is not None:
        text += f" [{format_value(score.low, places)}, {format_value(score.high, places)}]"
    return f"{text} ({', '.join(score.notes)})" if score.notes else text


def _known(what: str, name: str, choices: Iterable[str]) -> str:
    if name not in (names := list(choices)):
        raise ConfigError(unknown(what, name, names))
    return name


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _range(dates: Iterable[str | None]) -> str:
    known = sorted({date for date in dates if date is not None})
    return " to ".join(dict.fromkeys([known[0], known[-1]])) if known else "an unknown day"


def _processor(found: Mapping[str, Any]) -> str:
    units = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512 BF16"}
    said = [f"{'with' if found[key] else 'without'} {name}" for key, name in units.items() if found[key] is not None]
    cores = [f"{found['cores']} {_plural('core', found['cores'])}"] if found["cores"] else []
    return f"{found['model'] or 'an unknown processor'} ({', '.join([*cores, *said])})"


def results_markdown(result: Results) -> str:
    """Return all tables of a result: where it comes from, and for each part the scores and claims.

    Raises:
        InputError: it is of another form, such as that of an older version.
    """
    try:
        tables, lines = Tables((result,)), list[str]()
        for part in result["order"]:
            lines += [f"## {part.replace('_', ' ')}", tables.scores(part=part)]
            lines += [tables.claims(part=part)] if result["splits"][part]["hypotheses"] else []
        return "\n\n".join([f"# {result['title']}", tables.provenance(), *lines]) + "\n"
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(f"results of another form ({error!r}): run the recipe again with this version") from error
