"""Tables and folds as `volens evaluate` takes them, read with nothing but the standard library."""

import csv
import random

# Texts that mean "no value", as Volens reads them.
MISSING = ("", "?", "NA", "N/A", "NaN", "null", "NULL")
FOLDS = 5


class Wrong(Exception):
    """Something about the files or the command line that its user can put right."""


def column(path, name):
    """One column of a CSV file, as texts."""
    return columns(path, [name])[0]


def columns(path, names):
    """Some columns of a CSV file, as texts, in the order of `names`."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            records = csv.reader(file)
            header = [title.strip() for title in next(records, [])]
            for name in names:
                if name not in header:
                    raise Wrong(f'{path} has no column "{name}"; there are: {", ".join(header)}')
            places = [header.index(name) for name in names]
            rows = []
            for number, record in enumerate(records, 1):
                if len(record) != len(header):
                    raise Wrong(f"{path}: record {number} has {len(record)} cells, the header {len(header)}")
                rows.append([record[place].strip() for place in places])
    except OSError as error:
        raise Wrong(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Wrong(f"{path} is not UTF-8 text") from error
    if not rows:
        raise Wrong(f"{path} has no rows")
    return [list(cells) for cells in zip(*rows)]


def labels(path, name):
    """A column of zeros and ones."""
    known = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
    values = [known.get(text) for text in column(path, name)]
    if None in values:
        raise Wrong(f'{path}: the column "{name}" must be 0 or 1, row {values.index(None)} is not')
    return values


def read_folds(path, rows):
    """The fold of each row, from a table with the columns `row` (from 0) and `fold`."""
    folds = [None] * rows
    for row, fold in zip(*columns(path, ["row", "fold"])):
        if not (row.isdecimal() and fold.isdecimal() and int(row) < rows):
            raise Wrong(f"{path}: row {row} in fold {fold}: there is no such row or fold ({rows} rows)")
        if folds[int(row)] is not None:
            raise Wrong(f"{path}: row {row} is in two folds")
        folds[int(row)] = int(fold)
    if None in folds:
        raise Wrong(f"{path}: row {folds.index(None)} is in no fold")
    return folds


def stratified(strata, seed, count=FOLDS):
    """Folds of one's own: each has the same share of every stratum, drawn from the seed."""
    draw, folds, dealt = random.Random(seed), [0] * len(strata), 0
    for stratum in sorted(set(strata)):
        rows = [row for row, of in enumerate(strata) if of == stratum]
        draw.shuffle(rows)
        for row in rows:
            folds[row] = dealt % count
            dealt += 1
    return folds


def write_folds(path, folds):
    """Writes folds so that `volens evaluate --folds` reads them."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "fold"])
        writer.writerows(enumerate(folds))


def splits(folds):
    """Rows to learn from and rows to measure on, for each fold in order."""
    for fold in sorted(set(folds)):
        yield (
            [row for row, of in enumerate(folds) if of != fold],
            [row for row, of in enumerate(folds) if of == fold],
        )
