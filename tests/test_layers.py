"""The law of the house: which room may import which, what no file may do, and what an import may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import sepvae
from sepvae import plugins
from sepvae.recipe import KINDS

PACKAGE = Path(sepvae.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

TOOLS = {
    *("errors", "seeds", "files", "audio", "containers", "sphere", "progress", "progress_text"),
    *("tables", "config", "devices"),
    *("settings", "processes", "worker", "signals", "parts", "unfinished", "plugins", "presets", "formats"),
    *("inputs", "outputs", "reading", "batch"),
    *("limits", "yaml_text", "json_text"),
}
# A room, and what it may see beside the tools: whole rooms, each of which lies nearer to where the data comes from.
ROOMS: dict[str, set[str]] = {
    "corpora": set(),
    "mixing": {"corpora"},
    "frontend": set(),
    "models": set(),
    "objectives": {"models"},
    "estimator": {"frontend", "models", "objectives"},
    "training": {"corpora", "mixing", "frontend", "models", "objectives", "estimator"},
    "separation": {"frontend", "estimator"},
    "portable": {"frontend", "models", "estimator", "separation"},
    "enhancement": {"frontend", "models", "objectives", "estimator", "separation"},
    "demixing": {"frontend", "models", "estimator"},
    "augmentation": {"corpora", "mixing", "frontend", "models", "estimator"},
    "augmented": {"corpora", "mixing", "frontend", "estimator", "augmentation"},
    "evaluation": set(),
    "recognition": {"corpora", "frontend"},
    "systems": {
        *("mixing", "frontend", "models", "estimator", "training", "separation", "enhancement", "demixing"),
    },
    "report": {"evaluation", "systems"},
}
# These see every room; only the program sees the recipes, and nothing sees the program or the contracts as checks.
ROOMS["recipe"] = set(ROOMS)
ROOMS["cli"] = set(ROOMS)
ROOMS["testing"] = set(ROOMS)

HEAVY = {"torch", "rich", "scipy", "librosa", "matplotlib", "pydantic", "yaml", "lightning_fabric", "soundfile", "soxr"}


def module_of(path: Path) -> str:
    """Return the dotted name below the package, without `__init__`: "audio", "training.loop", "training"."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports_of(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield every module that a file imports, at its top or inside a function, relative imports made absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base]).rstrip(".")
            yield from (f"{base}.{name.name}" for name in node.names)


def allowed(importer: str, target: str) -> bool:
    """Say whether the module `importer` may import `target`, both dotted names below the package."""
    room, wanted = importer.split(".")[0], target.split(".")[0]
    if wanted == room or wanted in TOOLS:
        return True
    return any(f"{target}.".startswith(f"{open_room}.") for open_room in ROOMS.get(room, ()))


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in FILES:
        yield path, ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> int:
    """Return the lines of a function that are neither docstring, comment nor blank."""
    docstring: set[int] = set()
    if ast.get_docstring(function, clean=False) is not None:
        first = function.body[0]
        docstring = set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    numbers = set(range(function.lineno, (function.end_lineno or function.lineno) + 1)) - docstring
    return sum(bool(lines[number - 1].strip()) and not lines[number - 1].strip().startswith("#") for number in numbers)


def test_every_room_has_a_place_in_the_law() -> None:
    tops = {module_of(path).split(".")[0] for path in FILES} - {"", "__main__"}
    assert tops == TOOLS | set(ROOMS)


def test_imports_run_one_way() -> None:
    broken = []
    for path, tree in trees():
        importer = module_of(path)
        if importer in {"", "__main__"}:  # the public face names things of all rooms, the entry point the program
            continue
        package = ".".join(("sepvae", *path.relative_to(PACKAGE).parts[:-1]))
        for name in imports_of(tree, package):
            inner = name.removeprefix("sepvae.")
            if inner != name and not allowed(importer, inner):
                broken.append(f"{importer} imports {name}")
    assert not broken


def arrows() -> dict[str, set[str]]:
    """Return the files that each file imports, at its top, inside functions and for types alone, by dotted names."""
    known = {module_of(path) for path in FILES}
    found: dict[str, set[str]] = {}
    for path, tree in trees():
        package = ".".join(("sepvae", *path.relative_to(PACKAGE).parts[:-1]))
        targets = set()
        for name in imports_of(tree, package):
            inner = name.removeprefix("sepvae.") if name != "sepvae" else ""
            if name.startswith("sepvae"):
                # The name of a thing in a module, or a module.
                targets.add(inner if inner in known else inner.rpartition(".")[0])
        found[module_of(path)] = targets & known
    return found


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the sets of nodes that can reach each other (Tarjan 1972)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        number[node] = lowest[node] = len(number)
        stack.append(node)
        for target in sorted(graph.get(node, ())):
            if target not in number:
                visit(target)
            if target in stack:
                lowest[node] = min(lowest[node], lowest[target])
        if lowest[node] == number[node]:
            place = stack.index(node)
            component, stack[place:] = stack[place:], []
            if len(component) > 1:
                found.append(sorted(component))

    for node in sorted(graph):
        if node not in number:
            visit(node)
    return found


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"d"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}) == []


def test_no_file_is_in_a_circle_of_imports() -> None:
    """At run time, inside functions and under TYPE_CHECKING alike; the public face, which names all, aside."""
    graph = {name: targets - {""} for name, targets in arrows().items() if name}
    assert not circles(graph)


def test_no_room_is_in_a_circle_of_imports() -> None:
    graph: dict[str, set[str]] = {}
    for name, targets in arrows().items():
        room = name.split(".")[0]
        graph.setdefault(room, set()).update({target.split(".")[0] for target in targets} - {room, ""})
    assert not circles({room: targets for room, targets in graph.items() if room})
    # Nor does the law allow one.
    assert not circles(ROOMS)


def test_tools_know_no_room() -> None:
    graph = arrows()
    broken = [f"{tool} imports {t}" for tool in TOOLS for t in graph[tool] if t.split(".")[0] not in TOOLS]
    assert not broken


@pytest.mark.parametrize(
    ("importer", "target", "verdict"),
    [
        ("corpora.timit", "models.dense", False),
        ("models.dense", "corpora.records", False),
        ("objectives.elbo", "models.contract.Posterior", True),
        ("separation.separator", "estimator.checkpoint.load_checkpoint", True),
        ("separation.separator", "training.loop.train", False),
        ("separation.separator", "training", False),
        ("demixing.demixer", "estimator.checkpoint.load_checkpoint", True),
        ("demixing.loop", "separation.separator", False),
        ("separation.separator", "demixing.demixer", False),
        ("evaluation.rows", "estimator.checkpoint", False),
        ("augmented.run", "corpora.records", True),
        ("augmentation.latents", "training.loop", False),
        ("recognition.speech", "frontend.frontend", True),
        ("recognition.recogniser", "augmented.records", False),
        ("report.page", "recipe.common", False),
        ("report.systems", "systems.roles", True),
        ("systems.contract", "report.systems", False),
        ("estimator.estimator", "training.config", False),
        ("recipe.run", "cli", False),
        ("audio", "files.atomic_file", True),
        ("audio", "corpora.records", False),
        ("cli.train", "recipe.run", True),
        ("testing.systems", "systems.contract", True),
        ("systems.contract", "testing.contract", False),
        ("cli.corpus", "testing", False),
    ],
)
def test_the_law_itself(importer: str, target: str, verdict: bool) -> None:
    assert allowed(importer, target) is verdict


def test_relative_imports_are_seen_too() -> None:
    tree = ast.parse("from ..models import dense\nfrom . import masks\nimport sepvae.audio")
    assert set(imports_of(tree, "sepvae.separation")) == {
        "sepvae.models.dense",
        "sepvae.separation.masks",
        "sepvae.audio",
    }


def test_each_library_stays_where_it_belongs() -> None:
    """soundfile and soxr in the room audio alone; torchaudio and formats that run code nowhere."""
    nowhere = {"torchaudio", "pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
    broken = []
    for path, tree in trees():
        importer = module_of(path)
        for name in imports_of(tree, "sepvae"):
            library = name.split(".")[0]
            if library in nowhere or (library in {"soundfile", "soxr"} and importer.split(".")[0] != "audio"):
                broken.append(f"{importer} imports {library}")
    assert not broken


def test_no_file_runs_data_as_code() -> None:
    """No shell, no eval, no pickled tensors, no YAML that builds objects."""
    broken = []
    for path, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            shell = any(word.arg == "shell" and ast.unparse(word.value) != "False" for word in node.keywords)
            pickled = any(word.arg == "allow_pickle" and ast.unparse(word.value) != "False" for word in node.keywords)
            banned = {"eval", "exec", "os.system", "os.popen", "torch.load", "torch.save", "yaml.load"}
            if shell or pickled or called in banned:
                broken.append(f"{module_of(path)}, line {node.lineno}: {ast.unparse(node)[:60]}")
    assert not broken


def test_files_and_functions_fit_a_reader() -> None:
    broken = []
    for path, tree in trees():
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > 400:
            broken.append(f"{module_of(path)}: {len(lines)} lines")
        functions = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
        sizes = [(function.name, code_lines(function, lines)) for function in functions]
        broken += [f"{module_of(path)}.{name}: {size} code lines" for name, size in sizes if size > 60]
        if ast.get_docstring(tree) is None and lines:
            broken.append(f"{module_of(path)}: no docstring says what lives here")
    assert not broken


@pytest.mark.parametrize(
    "statement",
    [
        "import sepvae; dir(sepvae); sepvae.__version__",
        "import sepvae.cli as cli; cli.build_parser()",
        "import sepvae.audio, sepvae.files, sepvae.seeds, sepvae.devices, sepvae.tables",
        "import sepvae.processes, sepvae.progress, sepvae.plugins, sepvae.worker",
        "import sepvae.corpora, sepvae.corpora.records",
    ],
)
def test_imports_stay_light(statement: str) -> None:
    code = f"import sys\n{statement}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}} & {HEAVY!r}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_importing_every_file_changes_nothing_outside() -> None:
    """No handler, warning filter, environment, thread count, default type or random state of the process changes."""
    names = [f"sepvae.{module_of(path)}" for path in FILES if module_of(path) not in {"", "__main__"}]
    code = (
        "import importlib, logging, os, random, sys, warnings\n"
        "import lightning_fabric, numpy, pydantic, safetensors.torch, scipy.signal, torch, yaml\n"
        "def state():\n"
        "    return (logging.root.handlers[:], logging.root.level, logging.getLogger('sepvae').handlers[:],\n"
        "            warnings.filters[:], dict(os.environ), sys.path[:], random.getstate(), numpy.geterr(),\n"
        "            numpy.random.get_state()[1].tolist(), torch.get_num_threads(), torch.get_default_dtype(),\n"
        "            torch.get_rng_state().tolist(), torch.are_deterministic_algorithms_enabled())\n"
        "before = state()\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "assert [old == new for old, new in zip(before, state())] == [True] * len(before)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_public_names_are_listed_and_load_on_use() -> None:
    assert set(sepvae.__all__) <= set(dir(sepvae))
    assert sepvae.open_corpus is __import__("sepvae.corpora.records", fromlist=["open_corpus"]).open_corpus
    assert sepvae.Separator.__name__ == "Separator"
    assert callable(sepvae.evaluate)
    assert sepvae.__version__.count(".") == 2
    with pytest.raises(AttributeError, match=r"module 'sepvae' has no attribute 'Seperator'"):
        _ = sepvae.Seperator


TABLES = {**{shelf: plugins.table(shelf) for shelf in plugins.SHELVES}, "recipe": KINDS}


@pytest.mark.parametrize(("what", "name"), [(what, name) for what, table in TABLES.items() for name in table])
def test_every_entry_of_every_table_resolves(what: str, name: str) -> None:
    table = TABLES[what]
    entry = table[name]
    if isinstance(entry, str):
        module = entry.partition(":")[0]
        assert module.startswith("sepvae."), "a table names the project's own code only"
        entry = table.resolve(name)
    assert callable(entry)
