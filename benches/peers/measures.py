"""How good predictions are, by the definitions of `volens evaluate`, with nothing but the standard library.

    echo '{"scores": [...], "labels": [...]}' | python3 measures.py
    echo '{"predicted": [...], "treated": [...], "outcome": [...]}' | python3 measures.py

prints the measures as one JSON object, so that any other program can be held against them.
"""

import json
import math
import sys

ECE_BINS = 15
EPSILON = sys.float_info.epsilon


def ranked(scores):
    """Rows by descending score, in groups of equal scores."""
    order = sorted(range(len(scores)), key=lambda row: -scores[row])
    groups = []
    for row in order:
        if groups and scores[groups[-1][0]] == scores[row]:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def auc(scores, labels):
    """Area under the ROC curve; a tie counts one half."""
    above = below = area = 0
    for group in ranked(scores):
        up = sum(labels[row] for row in group)
        across = len(group) - up
        area += across * (above + up / 2)
        above, below = above + up, below + across
    if not above or not below:
        raise ValueError("a ranking needs rows of both classes")
    return area / (above * below)


def log_loss(probabilities, labels):
    """Mean negative log likelihood, one rounding step away from 0 and 1."""
    held = (min(max(p, EPSILON), 1 - EPSILON) for p in probabilities)
    losses = (-math.log(p) if label else -math.log1p(-p) for p, label in zip(held, labels))
    return math.fsum(losses) / len(labels)


def ece(probabilities, labels):
    """Expected calibration error over 15 bins of equal count; rows of one score share their outcomes."""
    pairs = []
    for group in ranked(probabilities):
        rate = sum(labels[row] for row in group) / len(group)
        pairs.extend([rate - probabilities[group[0]]] * len(group))
    rows = len(pairs)
    bounds = [bin * rows // ECE_BINS for bin in range(ECE_BINS + 1)]
    return sum(abs(math.fsum(pairs[a:b])) for a, b in zip(bounds, bounds[1:])) / rows


def response(scores, labels):
    """The measures of probabilities of a response."""
    return {"auc": auc(scores, labels), "log_loss": log_loss(scores, labels), "ece": ece(scores, labels)}


def uplift(predicted, treated, outcome):
    """The measures of a ranking by expected change, on rows of a randomised campaign.

    The Qini curve is Y_t(k) − Y_c(k)·N_t(k)/N_c(k) over the share of rows, best first (Radcliffe 2007);
    its area is counted above the straight line to its end, per 1000 treated rows.
    """
    rows, before, area = len(predicted), (0.0, 0.0), 0.0
    counts, steps = [0, 0, 0, 0], []
    for group in ranked(predicted):
        for row in group:
            arm = 0 if treated[row] else 2
            counts[arm] += 1
            counts[arm + 1] += 1 if outcome[row] else 0
        steps.append(tuple(counts))
        n_t, y_t, n_c, y_c = counts
        point = ((n_t + n_c) / rows, y_t - (y_c * n_t / n_c if n_c else 0.0))
        area += (point[0] - before[0]) * (point[1] + before[1]) / 2
        before = point
    if not counts[0] or not counts[2]:
        raise ValueError("a campaign needs rows of both arms")
    return {
        "qini_per_1000": 1000 * (area - before[1] / 2) / counts[0],
        "uplift_at_30": difference(among_first(steps, 0.3 * rows)),
        "average_effect": difference(counts),
    }


def difference(counts):
    """Response of the treated less that of the others."""
    n_t, y_t, n_c, y_c = counts
    return (y_t / n_t if n_t else 0.0) - (y_c / n_c if n_c else 0.0)


def among_first(steps, rows):
    """The counts among the first rows; a group of equal predictions is entered in proportion."""
    before = (0, 0, 0, 0)
    for after in steps:
        if after[0] + after[2] >= rows:
            part = (rows - before[0] - before[2]) / (after[0] + after[2] - before[0] - before[2])
            return [b + part * (a - b) for a, b in zip(after, before)]
        before = after
    return before


def mean(values):
    """The mean of some numbers."""
    values = list(values)
    return math.fsum(values) / len(values)


def deviation(values):
    """The standard deviation of a sample; 0 of a single value."""
    values = list(values)
    squares = math.fsum((value - mean(values)) ** 2 for value in values)
    return math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else 0.0


if __name__ == "__main__":
    given = json.load(sys.stdin)
    measured = uplift(**given) if "predicted" in given else response(**given)
    json.dump(measured, sys.stdout)
