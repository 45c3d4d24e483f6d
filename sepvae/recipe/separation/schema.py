"""The schema of a recipe that compares systems of separation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import Field, ValidationError, field_validator, model_validator

from sepvae.config import Config, parse_config
from sepvae.errors import ConfigError
from sepvae.evaluation import IMPROVEMENT, MEASURES, known_measure
from sepvae.evaluation.contract import Description
from sepvae.evaluation.measures import default_measures, describe
from sepvae.limits import MAX_WEIGHT
from sepvae.mixing.config import MixingConfig, Split
from sepvae.recipe.common import Recipe, check_names, without_nulls
from sepvae.recipe.separation.runs import Run, check_seeds, count_seeds, runs_of
from sepvae.settings import merge
from sepvae.systems.contract import SystemChoice, describe_systems

# Cases, or systems, of one experiment: each costs a training, and a line of a table.
_MAX_NAMED = 500
_SPLITS: dict[Split, str] = {
    "speaker_seen": "The test speakers also speak in training, other sentences (the survey's protocol).",
    "speaker_open": "The test speakers never speak in training.",
}

# Of the settings of mixtures, those that say where recordings lie.
_FOLDERS: Mapping[str, bool | set[str]] = {"noise_folder": True, "background": {"folder"}, "room": {"folder"}}


class PublishedScore(Config):
    """A figure from a paper to show beside ours."""

    system: str
    measure: str
    value: Annotated[float, Field(ge=-MAX_WEIGHT, le=MAX_WEIGHT)]
    source: str


class EvaluationConfig(Config):
    """Which measures to take, by default all that need no noise signal, and of which sources, by default of all."""

    sources: tuple[str, ...] | None = None
    measures: tuple[str, ...] = Field(default_factory=lambda: tuple(default_measures(with_noise=False)))

    @field_validator("measures")
    @classmethod
    def _known(cls, measures: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(known_measure(name) for name in measures)


class Case(Config):
    """Another form of the mixtures: what it changes of `mixing`, and a sentence about it."""

    description: str = ""
    mixing: dict[str, Any]


class PartName(NamedTuple):
    """A part of a recipe: its name, the case (empty where there are none) and split behind it, and a sentence."""

    name: str
    case: str
    split: Split
    description: str


def name_parts(splits: Iterable[Split], cases: Mapping[str, str]) -> list[PartName]:
    """Return the parts of a recipe: each split, or each split of each case, given by name with its description."""
    splits = list(splits)
    if not cases:
        return [PartName(split, "", split, _SPLITS[split]) for split in splits]
    return [
        PartName(case if len(splits) == 1 else f"{case}_{split}", case, split, f"{about} {_SPLITS[split]}".strip())
        for case, about in cases.items()
        for split in splits
    ]


@dataclass(frozen=True)
class Part:
    """One round of a recipe: its mixtures, on which all systems are trained and scored anew."""

    name: str
    mixing: MixingConfig


class SeparationRecipe(Recipe):
    """One experiment in separation: corpus, mixtures, systems, measures and report.

    `splits`, and `cases` where there are any, are run one after the other, the first is the main result. `quick`
    overrides keys for a run of seconds; a case or system set to null is left out. `naming` says how estimates get the
    names of sources: `given` by the systems, or `best_sir`, for blind systems, by what they are most like.
    """

    kind: Literal["separation"] = "separation"
    mixing: MixingConfig = MixingConfig()
    splits: tuple[Split, ...] = Field(get_args(Split), min_length=1)
    cases: dict[str, Case] = Field(default_factory=dict, max_length=_MAX_NAMED)
    systems: dict[str, SystemChoice] = Field(min_length=1, max_length=_MAX_NAMED)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    naming: Literal["given", "best_sir"] = "given"
    published: tuple[PublishedScore, ...] = ()

    @field_validator("systems", "cases", mode="before")
    @classmethod
    def _left_out(cls, named: Any) -> Any:
        return without_nulls(named)

    @field_validator("systems")
    @classmethod
    def _systems_go_together(cls, systems: dict[str, SystemChoice]) -> dict[str, SystemChoice]:
        check_names("system name", systems)
        others = {name: choice.works_on for name, choice in systems.items()}
        first = [name for name, other in others.items() if other is None]
        for name, other in others.items():
            if other is not None and other not in first:
                raise ConfigError(
                    f"system {name}: of = {other!r}: name another system of the recipe: {', '.join(first)}"
                )
        check_seeds(systems, describe_systems(systems))
        return systems

    @field_validator("cases")
    @classmethod
    def _cases_name_folders(cls, cases: dict[str, Case]) -> dict[str, Case]:
        check_names("case", cases)
        return cases

    @property
    def compared(self) -> tuple[str, ...]:
        """The systems."""
        return tuple(self.systems)

    @property
    def runs(self) -> list[Run]:
        """Each system from each of its seeds, in order."""
        return runs_of(self.systems, seed=self.seed)

    @property
    def seeds(self) -> dict[str, int]:
        """How many seeds each system has."""
        return count_seeds(self.systems)

    @property
    def table_measures(self) -> tuple[str, ...]:
        """The columns of the table of results; improvements are left to results.json: it has to fit a terminal."""
        return tuple(name for name in self.evaluation.measures if not name.endswith(IMPROVEMENT))

    @property
    def described(self) -> dict[str, Description]:
        """How the measures that are taken, claimed or published are shown, in the order of their table."""
        claimed, published = [one.measure for one in self.hypotheses], [one.measure for one in self.published]
        taken = {name.removesuffix(IMPROVEMENT) for name in (*self.evaluation.measures, *claimed, *published)}
        return {name: describe(name) for name in MEASURES if name in taken}

    @property
    def decisive(self) -> dict[str, Any]:
        """What decides the figures: not what systems are called, and where folders lie."""
        return {
            **self.model_dump(mode="json", include={"kind", "seed", "evaluation", "naming"}),
            "demo_speakers": self.corpus.demo_speakers,
            "parts": {part.name: part.mixing.model_dump(mode="json", exclude=_FOLDERS) for part in self.parts},
            "systems": {
                name: choice.model_dump(mode="json", exclude={"label", "role"}) for name, choice in self.systems.items()
            },
            "hypotheses": [claim.decisive for claim in self.hypotheses],
        }

    def completed(self, decisive: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what decided other figures, with the defaults of what was added since."""
        try:
            parts = {name: MixingConfig.model_validate(mixing) for name, mixing in decisive["parts"].items()}
            systems = {name: SystemChoice.model_validate(choice) for name, choice in decisive["systems"].items()}
        except (ConfigError, ValidationError, KeyError, TypeError, AttributeError):
            return decisive
        return {
            **decisive,
            "parts": {name: mixing.model_dump(mode="json", exclude=_FOLDERS) for name, mixing in parts.items()},
            "systems": {
                name: choice.model_dump(mode="json", exclude={"label", "role"}) for name, choice in systems.items()
            },
        }

    @property
    def legend(self) -> str:
        """What the table of results holds, in one sentence."""
        return "Means over sources with the 95 % interval of the first; sdr, sir, sar: BSSEval v3, 512 taps."

    @property
    def part_names(self) -> tuple[str, ...]:
        """The splits, or the splits of the cases."""
        return tuple(part.name for part in self._named_parts())

    def _named_parts(self) -> list[PartName]:
        return name_parts(self.splits, {name: case.description for name, case in self.cases.items()})

    @property
    def parts(self) -> list[Part]:
        """What is run, the main part first."""
        parts = []
        for name, case, split, _ in self._named_parts():
            if not case:
                parts.append(Part(name, self.mixing.model_copy(update={"split": split})))
                continue
            data = {**merge(self.mixing.model_dump(mode="json"), self.cases[case].mixing), "split": split}
            parts.append(Part(name, parse_config(MixingConfig, data, where=f"case {case}")))
        return parts

    @model_validator(mode="after")
    def _cases_can_be_mixed(self) -> SeparationRecipe:
        names = [part.name for part in self.parts]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ConfigError(f"cases: {min(twice)} is the name of two parts: rename a case")
        return self
