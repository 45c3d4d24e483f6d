"""`sepvae recipe`: run experiments from YAML files."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

# The table has to fit a terminal; results.json has every name in full.
_BSSEVAL = "_bsseval_v3_512"


def add(verbs: Any, options: dict[str, Any]) -> None:
    """Add the verb to the parser."""
    recipe = verbs.add_parser("recipe", help="run an experiment: prepare, mix, train, separate, evaluate, report")
    actions = recipe.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, run, text in (("run", _run, "run a recipe"), ("check", _check, "check a recipe without running it")):
        action = actions.add_parser(name, help=text, **options)
        action.add_argument("file", type=Path, help="recipe (YAML)")
        action.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="change a key; repeat"
        )
        action.add_argument("--quick", action="store_true", help="the recipe's small form: does it run?")
        action.set_defaults(run=run)
        if name == "run":
            action.add_argument("--data", type=Path, metavar="DIR", help="folder of the corpus")
            action.add_argument(
                "-o", "--out", type=Path, metavar="DIR", help="folder of the results; runs/NAME if not given"
            )
            action.add_argument("-d", "--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
            action.add_argument(
                "-j",
                "--jobs",
                type=int,
                default=os.cpu_count() or 1,
                help="processes, each with its share of the cores",
            )
            action.add_argument("--json", action="store_true", help="for programs: the results as JSON on stdout")


def _run(args: argparse.Namespace) -> int:
    from sepvae.evaluation import format_table
    from sepvae.files import to_json
    from sepvae.recipe.kinds import load_recipe
    from sepvae.recipe.run import run_recipe

    recipe = load_recipe(args.file, overrides=args.overrides, quick=args.quick)
    out = args.out or Path("runs") / args.file.stem
    done = run_recipe(recipe, out=out, data=args.data, device=args.device, jobs=args.jobs)
    if args.json:
        sys.stdout.write(to_json(done.results, indent=2) + "\n")
        return 0
    for split in done.results["splits"]:
        results = done.results["splits"][split]
        systems = {name: results["systems"][name] for name in recipe.systems}
        columns = recipe.table_measures
        headings = {name: name.removesuffix(_BSSEVAL) for name in columns}
        table = format_table(systems, columns, intervals=columns[:1], headings=headings)
        sys.stdout.write(f"\n{split}\n{table}\n")
        for test in results["hypotheses"]:
            difference = test["mean_difference"]
            found = "no pairs" if difference is None else f"{difference:+.2f} against {test['other']}"
            sys.stdout.write(f"{test['verdict']}: {test['claim']['text']} ({found})\n")
    for check in done.results.get("checks", []):
        sys.stdout.write(f"{'passed' if check['passed'] else 'FAILED'}: {check['text']}\n")
    sys.stdout.write(f"\n{recipe.legend}\n")
    sys.stdout.write(f"results {done.results_path}\npage    {done.report_path.resolve()}\n")
    return 0


def _check(args: argparse.Namespace) -> int:
    from sepvae.files import to_json
    from sepvae.recipe.kinds import load_recipe

    recipe = load_recipe(args.file, overrides=args.overrides, quick=args.quick)
    sys.stdout.write(to_json(recipe.model_dump(mode="json"), indent=2) + "\n")
    return 0
