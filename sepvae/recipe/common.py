"""What recipes of every kind share: their keys, where and with what they run, and what a finished run leaves."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from sepvae.config import Config
from sepvae.corpora import CORPORA
from sepvae.errors import ConfigError
from sepvae.evaluation import known_measure
from sepvae.evaluation.contract import Description
from sepvae.evaluation.hypotheses import Claim, Direction
from sepvae.limits import Scale, Seed
from sepvae.processes import run_side_by_side
from sepvae.recipe.catalogue import ANY_SPEECH
from sepvae.tables import unknown


class CorpusConfig(Config):
    """Where the speech comes from: `--corpus DIR` read as `layout` (recognised when null), or the demo corpus."""

    layout: Annotated[str, CORPORA] | None = None
    demo_speakers: int | None = Field(
        None, ge=4, le=1000, description="synthesise a demo corpus when no --corpus is given"
    )


class Hypothesis(Config):
    """A claim that the scores are to be tested for, such as one of the survey's.

    `system` against each of `others` by `measure`: its scores are `greater`, `less`, or `equal` up to `margin` on both
    sides, whichever of them are better. Nobody can read a margin that is not written: a claim that is `equal` gives it.
    """

    claim: str
    system: str
    others: tuple[str, ...] = Field(min_length=1)
    measure: str = "sdr_bsseval_v3_512"
    direction: Direction
    margin: Scale = 0.5

    @field_validator("measure")
    @classmethod
    def _known(cls, measure: str) -> str:
        return known_measure(measure)

    @model_validator(mode="after")
    def _equal_says_how_equal(self) -> Self:
        if self.direction == "equal" and "margin" not in self.model_fields_set:
            raise ConfigError(f"hypothesis {self.claim!r}: direction equal: give the margin of what is still equal")
        return self

    def to_claim(self) -> Claim:
        """Return what the evaluation tests."""
        return Claim(self.claim, self.system, self.others, self.measure, self.direction, self.margin)

    @property
    def decisive(self) -> dict[str, Any]:
        """What is tested, as JSON: not its words."""
        return self.model_dump(mode="json", exclude={"claim"})


class Chosen(Config):
    """Where a setting was chosen: it has the best value by a measure in a part, by default the main one, of a result.

    `setting` has the keys that lead to it, such as `systems.kl_nmf.settings.n_atoms`, and `result` is the development
    recipe, such as `develop/nmf`. Where another value was the best, `because` says why it was not taken.
    """

    setting: str
    result: str
    measure: str = "sdr_bsseval_v3_512"
    part: str | None = None
    because: str = ""

    @field_validator("setting")
    @classmethod
    def _of_a_system(cls, setting: str) -> str:
        keys = setting.split(".")
        if len(keys) < 3 or keys[0] not in ("systems", "arms") or not all(keys):
            raise ConfigError(f"{setting!r}: give the keys of a setting, such as systems.kl_nmf.settings.n_atoms")
        return setting

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that lead to the setting."""
        return tuple(self.setting.split("."))

    @property
    def system(self) -> str:
        """The system, or arm, that has the setting."""
        return self.keys[1]


class Recipe(Config):
    """What a recipe of any kind says: what it is about, the corpus and the seed, and the claims to be tested.

    `data` says in words what it needs to be given, `plugins` which modules have to be loaded (`--plugin`) since it
    names what they register, `chosen` on which results its settings were chosen. A kind of recipe compares its
    `compared`, systems or arms, on each of its parts, and prints its `table_measures`.
    """

    what: ClassVar[str] = "system"

    kind: str
    title: str
    description: str = ""
    data: str = ANY_SPEECH
    plugins: tuple[str, ...] = ()
    seed: Seed = 0
    corpus: CorpusConfig = CorpusConfig()
    hypotheses: tuple[Hypothesis, ...] = ()
    chosen: tuple[Chosen, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    @abstractmethod
    def compared(self) -> tuple[str, ...]:
        """The names of what is compared, in order."""

    @property
    @abstractmethod
    def part_names(self) -> tuple[str, ...]:
        """The parts of the results, the main one first."""

    @property
    @abstractmethod
    def table_measures(self) -> tuple[str, ...]:
        """The columns of the table of results."""

    @property
    @abstractmethod
    def described(self) -> dict[str, Description]:
        """How the measures that are taken are shown, in order, without their improvements."""

    @property
    @abstractmethod
    def decisive(self) -> dict[str, Any]:
        """What decides the figures, as JSON: everything but words, and the folders that it is given on a machine."""

    def completed(self, decisive: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what decided other figures, with what settings that came later were without being there.

        A setting that is added has the default that changes nothing; one whose default changes stands in what was kept.
        """
        return decisive

    @property
    @abstractmethod
    def legend(self) -> str:
        """What the table of results holds, in one sentence."""

    @model_validator(mode="after")
    def _hypotheses_name_what_is_compared(self) -> Self:
        for hypothesis in self.hypotheses:
            for name in (hypothesis.system, *hypothesis.others):
                if name not in self.compared:
                    raise ConfigError(f"hypothesis {hypothesis.claim!r}: {unknown(self.what, name, self.compared)}")
        return self


def check_mapping(value: Any, where: str) -> dict[Any, Any]:
    """Return a mapping, empty where YAML has nothing; ConfigError with `where` when it is something else."""
    if value is not None and not isinstance(value, dict):
        raise ConfigError(f"{where} = {value!r:.100}: give a mapping of keys to values")
    return value or {}


def check_names(what: str, names: Iterable[Any]) -> None:
    """Raise ConfigError for a name that cannot be that of a folder everywhere."""
    for name in names:
        if not str(name).replace("_", "").isalnum() or not str(name).isascii():
            raise ConfigError(f"{what} {name!r}: use letters, digits and underscores, it names folders")


def without_nulls(named: Any) -> Any:
    """Return a mapping without what an included recipe has and this one sets to null."""
    return {name: one for name, one in named.items() if one is not None} if isinstance(named, dict) else named


@dataclass(frozen=True)
class RecipeOptions:
    """Where and with what a recipe runs: folders of results and corpus, device and number of processes.

    Without a corpus the recipe's demo corpus is made in the folder of the results.
    """

    out: Path
    corpus: Path | None
    device: str
    jobs: int

    def side_by_side(self, work: Any, tasks: Mapping[str, Sequence[Any]], *, what: str = "") -> dict[str, Any]:
        """Call `work(*arguments)` for each task in processes; return and errors as of `run_side_by_side`."""
        return run_side_by_side(work, tasks, jobs=self.jobs, what=what)


class Finished(NamedTuple):
    """What a kind of recipe found: results for `results.json`, hashes of what a page shows beside them, the stages."""

    results: dict[str, Any]
    shown: Any
    stages: tuple[str, ...]
