"""Runs a recipe of any kind, skipping what has not changed, and leaves `results.json` and `report.html`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sepvae import plugins
from sepvae.devices import resolve_device
from sepvae.errors import ConfigError, InputError, SepvaeError
from sepvae.estimator.folder import versions
from sepvae.files import hash_json, make_folder, output_error, read_json, write_json
from sepvae.parts import remove_left
from sepvae.recipe.common import Recipe, RecipeOptions
from sepvae.recipe.kinds import kind_of
from sepvae.recipe.ledger import Ledger
from sepvae.recipe.provenance import what_it_took

_RESULTS, _PAGE = "results.json", "report.html"


@dataclass(frozen=True)
class RecipeRun:
    """Where a finished run left its results, and what they are."""

    results: dict[str, Any]
    results_path: Path
    report_path: Path


def run_recipe(
    recipe: Recipe,
    *,
    out: str | Path,
    corpus: str | Path | None = None,
    device: str = "auto",
    jobs: int = 1,
    quick: bool = False,
) -> RecipeRun:
    """Run a recipe and return its results; a killed or repeated run continues where something is still to do.

    Args:
        recipe: from `load_recipe`.
        out: folder of the results.
        corpus: folder of the corpus; the recipe's demo corpus when None.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        jobs: processes, each of which trains and runs one system at a time, and then scores one mixture at a time.
        quick: whether the recipe was loaded in its quick form, for the results to say so.

    Raises:
        ConfigError: impossible settings, or another process runs in `out`.
        InputError: the corpus cannot serve the recipe.
        OutputError: results cannot be written.
    """
    resolve_device(device)
    if jobs < 1:
        raise ConfigError(f"jobs = {jobs}: at least 1 process is needed")
    folder = make_folder(out)
    options = RecipeOptions(folder, None if corpus is None else Path(corpus), device, jobs)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigError(f"{folder}: another run is writing here: wait for it, or choose another --out") from None
    except OSError as error:
        raise output_error(folder, error) from error
    try:
        return _run(recipe, options, quick=quick)
    finally:
        lock.release()


def _run(recipe: Recipe, options: RecipeOptions, *, quick: bool) -> RecipeRun:
    remove_left(options.out, below=True)
    config, kind = recipe.model_dump(mode="json"), kind_of({"kind": recipe.kind}, where="recipe")
    results_path, page = options.out / _RESULTS, options.out / _PAGE
    write_json(options.out / "recipe.json", config)
    ledger = Ledger(options.out / "stages")
    found = kind.run(recipe, options, ledger)
    about = {
        "title": recipe.title,
        "config": config,
        # As they are now: the page is built again without the plug-ins that some come from.
        "measure_facts": [{"name": name, **found._asdict()} for name, found in recipe.described.items()],
        "plugins": plugins.needed_by(recipe),
        "versions": versions(),
        "seed": recipe.seed,
        "quick": quick,
        "settings": recipe.decisive,
        "settings_hash": hash_json(recipe.decisive),
        "device": str(resolve_device(options.device)),
        **what_it_took(ledger, found.stages),
    }
    results = {**found.results, **about}
    write_json(results_path, results)

    def write_page() -> None:
        # From the file, so that a page that is built again is the same.
        kind.write_page(read_json(results_path), options.out)

    ledger.run("report", [results, found.shown], [page], write_page)
    return RecipeRun(results, results_path, page)


def read_results(path: str | Path) -> dict[str, Any]:
    """Return the results of a finished run, given its folder, or a file of results.

    Raises:
        InputError: there are none.
    """
    place = Path(path)
    try:
        is_file, is_run = place.is_file(), (place / _RESULTS).is_file()
    except (OSError, ValueError) as error:
        raise InputError(f"{place}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if is_file:
        results = read_json(place)
        if not isinstance(results, dict):
            raise InputError(f"{place}: holds {type(results).__name__}, expected the results of a recipe")
        return results
    if not is_run:
        raise InputError(f"{place}: holds no {_RESULTS}: give the --out folder of a finished 'sepvae recipe run'")
    return read_results(place / _RESULTS)


def rebuild_report(out: str | Path) -> Path:
    """Write the page of a finished run again, from the scores and the audio in its folder.

    Raises:
        InputError: the folder holds no finished run, or one of another form.
    """
    folder = Path(out)
    results, path = read_results(folder), folder / _RESULTS
    with _read_from(path):
        kind_of(results["config"], where=str(path)).write_page(results, folder)
    return folder / _PAGE


def results_tables(path: str | Path) -> str:
    """Return the tables of a finished run, or of a file of results, in Markdown; errors as of `rebuild_report`."""
    from sepvae.report.markdown import results_markdown

    results = read_results(path)
    with _read_from(Path(path)):
        return results_markdown(results)


@contextmanager
def _read_from(path: Path) -> Iterator[None]:
    """Say of errors that come of what a file holds that it does: it is somebody's, and a run checks what it writes.

    A fault of the page's own still ends a run with its traceback: the run makes its page from what it has just made.
    """
    again = "run the recipe again with this version"
    try:
        yield
    except KeyError as error:
        raise InputError(f"{path}: has no {error}: {again}") from error
    except ConfigError as error:
        raise InputError(f"{path}: {error}: {again}") from error
    except SepvaeError:
        raise
    except (TypeError, AttributeError, LookupError, ValueError, ArithmeticError, RecursionError) as error:
        raise InputError(f"{path}: is damaged, or of another form ({error!s:.200}): {again}") from error
