"""How long others take to find the best of many people: a matrix of numbers in memory, a score, the top of it."""

import time

import process

PEERS = {"numpy": ["numpy"], "LightGBM": ["lightgbm"]}
PACKAGES = ["numpy"]
# LightGBM is asked about so many people, and learns from so many; both are told per person.
ASKED = 200_000
LEARNT = 20_000


def fastest(rounds, work):
    """Seconds of the fastest of some rounds."""
    taken = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def eligible(people, every):
    """The rows that may be chosen; all of them as a slice, which copies nothing."""
    import numpy

    return slice(None) if every == 1 else numpy.arange(0, people, every)


def best(scores, top):
    """The places of the highest scores, in no order."""
    import numpy

    top = min(top, len(scores))
    return numpy.argpartition(scores, len(scores) - top)[len(scores) - top :]


def respond(request):
    """Seconds of the fastest round, and how many people it was about."""
    import numpy

    people, columns = request["people"], request["columns"]
    draw = numpy.random.default_rng(1)
    matrix = draw.random((people, columns), dtype=numpy.float32)
    if request["peer"] == "LightGBM":
        return {"seconds": boosted(matrix, request), "rows": min(people, ASKED)}
    weights = draw.standard_normal(columns, dtype=numpy.float32)
    rows = eligible(people, request["eligible_every"])
    seconds = fastest(request["rounds"], lambda: best(matrix[rows] @ weights, request["top"]))
    return {"seconds": seconds, "rows": people}


def boosted(matrix, request):
    """A model that bends, as ours does: 100 trees of 31 leaves, its defaults."""
    import numpy
    from lightgbm import LGBMClassifier

    learnt = matrix[:LEARNT]
    draw = numpy.random.default_rng(2)
    logits = 3 * numpy.sin(5 * learnt[:, 0]) + 4 * learnt[:, 1] * learnt[:, -1] - 2 * learnt[:, 1]
    label = draw.random(len(learnt)) < 1 / (1 + numpy.exp(-logits))
    model = LGBMClassifier(n_jobs=request["threads"], random_state=1, verbose=-1).fit(learnt, label)
    asked = matrix[:ASKED]
    rows = eligible(len(asked), request["eligible_every"])
    return fastest(request["rounds"], lambda: best(model.predict_proba(asked[rows])[:, 1], request["top"]))


if __name__ == "__main__":
    process.answer(respond)
