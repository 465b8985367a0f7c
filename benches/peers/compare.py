#!/usr/bin/env python3
"""Volens against what data scientists would use instead: the same data, the same folds, the same run.

    compare.py relevance --volens PROGRAM --data FILE --label COL [--drop COL]... [--folds FILE]
    compare.py uplift    --volens PROGRAM --data FILE --treatment COL --control VALUE --treated VALUE --outcome COL
    compare.py scan      --volens PROGRAM [--people N] [--top N] [--eligible-every N]
    compare.py filter    --volens PROGRAM [--people N] [--events N]
    compare.py all       --volens PROGRAM --bank-additional FOLDER --hillstrom FOLDER

Everybody runs in a process of its own, one after the other, on as many cores as are told.
"""

import argparse
import datetime
import json
import shutil
import sys
from pathlib import Path

import filters
import process
import relevance
import report
import scan
import sections
import tables
import uplift

HILLSTROM_ANSWERS = ["conversion", "spend"]


def counted(text):
    """A whole number above zero."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above zero")
    return int(text)


def program(text):
    """The whole path of a program, whatever folder or search path it is in."""
    found = shutil.which(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text} is no program that can be run")
    return Path(found).resolve()


def parser():
    """The command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--volens", type=program, required=True, metavar="PROGRAM", help="the release build")
    common.add_argument("--rounds", type=counted, default=1, metavar="N", help="everybody's turns; the fastest counts")
    common.add_argument("--threads", type=counted, metavar="N", help="cores for everybody [default: all for scan, else 1]")
    which = f'only this one, may be repeated; "none" for none [default: all but {", ".join(sections.SLOW)}]'
    common.add_argument("--peer", action="append", metavar="NAME", help=which)
    common.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    table = argparse.ArgumentParser(add_help=False)
    table.add_argument("--data", type=Path, required=True, metavar="FILE", help="a table in CSV")
    table.add_argument("--drop", action="append", default=[], metavar="COL", help="a column to leave out; may be repeated")
    table.add_argument("--folds", type=Path, metavar="FILE", help="row (from 0), fold [default: five of our own]")

    root = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = root.add_subparsers(dest="what", required=True)
    one = what.add_parser("relevance", parents=[common, table], help="probabilities of a response")
    one.add_argument("--label", required=True, metavar="COL", help="the column that holds 0 or 1")
    one = what.add_parser("uplift", parents=[common, table], help="who is moved by a treatment")
    for name in ("treatment", "control", "treated", "outcome"):
        one.add_argument(f"--{name}", required=True, help="as volens evaluate uplift takes it")
    one = what.add_parser("scan", parents=[common], help="the best of many people")
    one.add_argument("--people", type=counted, default=1_000_000, metavar="N")
    one.add_argument("--top", type=counted, default=10_000, metavar="N")
    one.add_argument("--eligible-every", type=counted, default=1, metavar="N", help="one of so many may be chosen")
    one = what.add_parser("filter", parents=[common], help="counts of people by what they did")
    one.add_argument("--people", type=counted, default=5_000_000, metavar="N")
    one.add_argument("--events", type=counted, default=50_000_000, metavar="N")
    one = what.add_parser("all", parents=[common], help="all of these, on two public tables")
    one.add_argument("--bank-additional", type=Path, required=True, metavar="FOLDER", help="with data.csv and folds.csv")
    one.add_argument("--hillstrom", type=Path, required=True, metavar="FOLDER", help="with data.csv and folds.csv")
    one.add_argument("--scan-people", type=counted, default=1_000_000, metavar="N")
    one.add_argument("--filter-people", type=counted, default=5_000_000, metavar="N")
    one.add_argument("--filter-events", type=counted, default=50_000_000, metavar="N")
    return root


def plan(given):
    """The comparisons of a command line, and the modules whose peers they take."""
    if given.what == "relevance":
        return [lambda run: sections.run_relevance(run, given.data, given.label, given.drop, given.folds)], [relevance]
    if given.what == "uplift":
        campaign = (given.treatment, given.control, given.treated, given.outcome)
        return [lambda run: sections.run_uplift(run, given.data, *campaign, given.drop, given.folds)], [uplift]
    if given.what == "scan":
        return [lambda run: sections.run_scan(run, given.people, given.top, given.eligible_every)], [scan]
    if given.what == "filter":
        return [lambda run: sections.run_filter(run, given.people, given.events)], [filters]
    calls, mails = ([folder / "data.csv", folder / "folds.csv"] for folder in (given.bank_additional, given.hillstrom))
    mailed = ("segment", "No E-Mail", "Womens E-Mail", "visit")
    return [
        lambda run: sections.run_relevance(run, calls[0], "y", [], calls[1]),
        lambda run: sections.run_relevance(run, mails[0], "visit", ["segment", *HILLSTROM_ANSWERS], mails[1]),
        lambda run: sections.run_uplift(run, mails[0], *mailed, HILLSTROM_ANSWERS, mails[1]),
        lambda run: sections.run_scan(run, given.scan_people, 10_000, 1),
        lambda run: sections.run_scan(run, given.scan_people, 10_000, 5),
        lambda run: sections.run_filter(run, given.filter_people, given.filter_events),
    ], list(sections.MODULES)


def check_peers(names, modules):
    """Refuses a name that nobody has."""
    known = {name for module in modules for name in module.PEERS} | {"none"}
    unknown = [name for name in names or [] if name not in known]
    if unknown:
        raise tables.Wrong(f"no peer is called {', '.join(unknown)}; there are: {', '.join(sorted(known))}")


def surroundings(run, modules):
    """When, on what and with which versions this is measured; said before it begins."""
    packages = process.versions(run.packages(modules))
    pins = process.pins()
    for name, version in packages.items():
        if pins.get(name, version) != version:
            print(f"note: {name} {version} instead of {pins[name]}", file=sys.stderr)
    machine = process.machine()
    versions = {"volens": process.said([run.volens, "--version"]).removeprefix("volens "), **packages}
    print(f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']}, {machine['system']}, Python {machine['python']}")
    print(", ".join(f"{name} {version}" for name, version in versions.items()), flush=True)
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"date": date, "machine": machine, "versions": versions, "rounds": run.rounds}


def compare(given):
    """Runs, prints and writes."""
    work, modules = plan(given)
    check_peers(given.peer, modules)
    run = sections.Settings(given.volens, given.rounds, given.peer, given.threads)
    result = {**surroundings(run, modules), "sections": []}
    for number, section in enumerate(work, 1):
        print(f"comparison {number} of {len(work)} …", file=sys.stderr, flush=True)
        found = section(run)
        result["sections"].append(found)
        print(f"\n{found['title']}\n{report.TEXTS[found['kind']](found)}", flush=True)
        # Written after each, so that what was measured is there when a later one cannot be.
        if given.json:
            given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def main():
    """Exit code 0, 1 when it cannot be measured, 2 when the command line is wrong."""
    given = parser().parse_args()
    try:
        compare(given)
    except (tables.Wrong, OSError) as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("compare.py: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
