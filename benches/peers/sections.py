"""The comparisons, one function each: Volens and its peers in turns, on the same input."""

import dataclasses
import math
import sys
import tempfile
from pathlib import Path

import filters
import measures
import process
import relevance
import scan
import tables
import uplift

SEED = 20261121
# Minutes per fold, so only when named.
SLOW = ("EBM",)
MODULES = (relevance, uplift, scan, filters)
# Within one process; the fastest counts.
SCANS = 3
# Averaged over folds, where a fold has it.
AVERAGED = ("auc", "log_loss", "ece", "predict_rows_per_s", "qini_per_1000", "uplift_at_30", "train_cpu_s")


@dataclasses.dataclass
class Settings:
    """What holds for every comparison of a run."""

    volens: Path
    rounds: int
    # All but the slow ones when absent.
    peers: list | None
    # As many as a comparison takes by itself when absent.
    threads: int | None

    def turns(self, module):
        """Everybody's turns: a number, and Volens or a peer of this module."""
        peers = [name for name in module.PEERS if (name not in SLOW if self.peers is None else name in self.peers)]
        return [(turn, name) for turn in range(1, self.rounds + 1) for name in ("volens", *peers)]

    def packages(self, modules):
        """The packages that the peers of these modules take."""
        names = set()
        for module in modules:
            for _, name in self.turns(module):
                if name != "volens":
                    names.update(module.PACKAGES, module.PEERS[name])
        return sorted(names)

    def told(self, turn, name, text):
        """Says how far it is, on standard error."""
        print(f"  round {turn} of {self.rounds}: {name}, {text}", file=sys.stderr, flush=True)


def command(settings, *words, **options):
    """A command line of Volens; an option that has several values is repeated."""
    line = [settings.volens, *words, "--json"]
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            line += [f"--{name.replace('_', '-')}", one]
    return line


def averages(folds):
    """The means over folds."""
    means = {name: measures.mean(fold[name] for fold in folds) for name in AVERAGED if name in folds[0]}
    if "qini_per_1000" in means:
        means["qini_sd"] = measures.deviation(fold["qini_per_1000"] for fold in folds)
    return means


def learners(settings, module, line, request):
    """Everybody's folds. Measures are the same in every round; of times, those of the fastest count."""
    found = {}
    for turn, name in settings.turns(module):
        if name == "volens":
            answer, spent, memory = process.run(line)
        else:
            answer, spent, memory = process.peer(module.__name__, {**request, "peer": name, "seed": SEED})
        folds = answer["folds"]
        one = {**averages(folds), "process_cpu_s": spent, "memory_mb": memory, "folds": folds}
        settings.told(turn, name, f"{one['train_cpu_s']:.2f} CPU s per fold")
        if name not in found or one["train_cpu_s"] < found[name]["train_cpu_s"]:
            found[name] = one
    return found


def with_folds(given, strata, scratch):
    """The folds that are given, after a look at them, or some of our own; and what to say of them."""
    if given is not None:
        return given, f"{len(set(tables.read_folds(given, len(strata))))} folds as given"
    path = Path(scratch) / "folds.csv"
    tables.write_folds(path, tables.stratified(strata, SEED))
    return path, f"{tables.FOLDS} folds drawn from seed {SEED}"


def run_relevance(settings, data, label, drop, folds):
    """Probabilities of a response."""
    threads = process.pin(settings.threads or 1)
    labels = tables.labels(data, label)
    with tempfile.TemporaryDirectory() as scratch:
        path, said = with_folds(folds, labels, scratch)
        given = {"data": str(data), "label": label, "drop": drop, "folds": str(path)}
        line = command(settings, "evaluate", "relevance", **given)
        found = learners(settings, relevance, line, {**given, "threads": threads})
    title = f"{data}: {label}, {len(labels)} rows, {said}, threads: {threads}"
    return {"kind": "relevance", "title": title, "contestants": found}


def run_uplift(settings, data, treatment, control, treated, outcome, drop, folds):
    """Who is moved by a treatment."""
    threads = process.pin(settings.threads or 1)
    arm = uplift.arms(data, treatment, control, treated)
    strata = uplift.strata(arm, tables.labels(data, outcome))
    with tempfile.TemporaryDirectory() as scratch:
        path, said = with_folds(folds, strata, scratch)
        given = {"data": str(data), "treatment": treatment, "control": control, "treated": treated,
                 "outcome": outcome, "drop": drop, "folds": str(path)}
        line = command(settings, "evaluate", "uplift", **given)
        found = learners(settings, uplift, line, {**given, "threads": threads})
    rows = sum(of is not None for of in arm)
    title = f"{data}: {treated} against {control}, {outcome}, {rows} rows, {said}, threads: {threads}"
    return {"kind": "uplift", "title": title, "contestants": found}


def run_scan(settings, people, top, eligible_every):
    """The best of many people; peers get a matrix of as many columns as our model has."""
    threads = process.pin(settings.threads or len(process.CORES))
    size = {"people": people, "top": top, "eligible_every": eligible_every}
    line = command(settings, "bench", "scan", **size, rounds=SCANS)
    seconds, floor, columns = {}, math.inf, 0
    for turn, name in settings.turns(scan):
        if name == "volens":
            answer, _, _ = process.run(line)
            floor, columns = min(floor, answer["floor_seconds"]), answer["model_columns"]
            taken = answer["scan_seconds"]
        else:
            request = {**size, "peer": name, "columns": columns, "rounds": SCANS, "threads": threads}
            answer, _, _ = process.peer("scan", request)
            taken = answer["seconds"] * people / answer["rows"]
        settings.told(turn, name, f"{1e3 * taken:.1f} ms")
        seconds[name] = min(taken, seconds.get(name, math.inf))
    among = f"one of {eligible_every} of {people}" if eligible_every > 1 else str(people)
    title = f"the best {top} among {among} people, {columns} columns, threads: {threads}"
    return {"kind": "scan", "title": title, **size, "columns": columns, "floor_seconds": floor, "contestants": seconds}


def run_filter(settings, people, events):
    """Counts of people by what they did. Peers draw their own acts, so counts agree as two draws do."""
    threads = process.pin(settings.threads or 1)
    size = {"people": people, "events": events}
    found, questions = {}, []
    for turn, name in settings.turns(filters):
        if name == "volens":
            answer, _, _ = process.run(command(settings, "bench", "filter", **size))
            questions = [one["filter"] for one in answer["questions"]]
        else:
            answer, _, _ = process.peer("filters", {**size, "peer": name, "threads": threads})
        answers = [{key: one[key] for key in ("people", "cpu_milliseconds")} for one in answer["questions"]]
        settings.told(turn, name, ", ".join(f"{one['cpu_milliseconds']:.2f} ms" for one in answers))
        before = found.get(name, answers)
        found[name] = [min(pair, key=lambda one: one["cpu_milliseconds"]) for pair in zip(before, answers, strict=True)]
    for name, answers in found.items():
        for ours, theirs in zip(found["volens"], answers, strict=True):
            if not alike(ours["people"], theirs["people"]):
                raise tables.Wrong(f"{name} finds {theirs['people']} people and volens {ours['people']}: not one question")
    title = f"{people} people, {events} acts within {filters.KEPT_DAYS} days, threads: {threads}"
    return {"kind": "filter", "title": title, **size, "questions": questions, "contestants": found}


def alike(a, b):
    """Whether two counts can be draws of one distribution: five standard deviations apart at most."""
    return abs(a - b) <= 5 * math.sqrt(a + b) + 1
