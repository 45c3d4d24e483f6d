"""`sepvae recipe`: list, show, check and run experiments, which are YAML files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sepvae.cli.arguments import add_device, add_jobs, add_layout, path_argument


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    recipe = verbs.add_parser(
        "recipe",
        help="run an experiment: prepare, mix, train, separate, evaluate, report",
        description="List, show, check and run recipes: experiments as YAML files, from a corpus to a page of results.",
    )
    actions = recipe.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="list the recipes that come with sepvae", **options).set_defaults(run=_list)
    for name, run, text in (
        ("show", _show, "print a recipe"),
        ("check", _check, "check a recipe and print its settings as JSON, without running it"),
        ("run", _run, "run a recipe"),
    ):
        action = actions.add_parser(name, help=text, **options)
        action.add_argument(
            "recipe", metavar="RECIPE", help="name of a recipe, as of 'sepvae recipe list', or path of a YAML file"
        )
        action.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="change a key; repeat"
        )
        action.add_argument("--quick", action="store_true", help="the recipe's small form: does it run?")
        action.set_defaults(run=run)
        if name == "show":
            action.add_argument("--resolved", action="store_true", help="with what it includes, and all defaults")
        if name == "run":
            _add_run(action)


def _add_run(action: argparse.ArgumentParser) -> None:
    action.add_argument("--corpus", type=path_argument, metavar="DIR", help="folder of the corpus")
    add_layout(action)
    action.add_argument(
        "-o", "--out", type=path_argument, metavar="DIR", help="folder of the results (default: runs/NAME)"
    )
    add_device(action)
    add_jobs(action, what="processes, each with its share of the cores")
    action.add_argument("--json", action="store_true", help="for programs: the results as JSON on stdout")


def _list(args: argparse.Namespace) -> int:
    from sepvae.recipe.catalogue import list_recipes

    del args
    found = list_recipes()
    width = max(len(one.name) for one in found)
    for one in found:
        sys.stdout.write(f"{one.name:{width}}  {one.title}\n{'':{width}}  needs {one.data}\n")
    return 0


def _load(args: argparse.Namespace, *overrides: str) -> Any:
    from sepvae.recipe.catalogue import find_recipe
    from sepvae.recipe.kinds import load_recipe

    return load_recipe(find_recipe(args.recipe), overrides=[*overrides, *args.overrides], quick=args.quick)


def _show(args: argparse.Namespace) -> int:
    from sepvae.errors import ConfigError
    from sepvae.files import read_text
    from sepvae.recipe.catalogue import find_recipe

    if args.resolved:
        import yaml

        text = yaml.safe_dump(_load(args).model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
    elif args.quick or args.overrides:
        raise ConfigError("--quick and --set change the settings of a recipe, not its file: give --resolved too")
    else:
        text = read_text(find_recipe(args.recipe))
    sys.stdout.write(text)
    return 0


def _check(args: argparse.Namespace) -> int:
    from sepvae.files import to_json

    sys.stdout.write(to_json(_load(args).model_dump(mode="json"), indent=2) + "\n")
    return 0


def _run(args: argparse.Namespace) -> int:
    from sepvae.files import to_json
    from sepvae.recipe.run import run_recipe
    from sepvae.recipe.text import results_text

    recipe = _load(args, *([f"corpus.layout={args.layout}"] if args.layout else []))
    name = Path(args.recipe)
    out = args.out or Path("runs") / (name.stem if name.is_file() else name)
    done = run_recipe(recipe, out=out, corpus=args.corpus, device=args.device, jobs=args.jobs, quick=args.quick)
    if args.json:
        sys.stdout.write(to_json(done.results, indent=2) + "\n")
        return 0
    sys.stdout.write(results_text(recipe, done.results))
    sys.stdout.write(f"results {done.results_path}\npage    {done.report_path.resolve()}\n")
    return 0
