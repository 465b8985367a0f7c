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


def best(scores, eligible_every, top):
    """The rows of the highest scores among every n-th row, in no order."""
    import numpy

    scores = scores[::eligible_every]
    top = min(top, len(scores))
    return eligible_every * numpy.argpartition(scores, len(scores) - top)[len(scores) - top :]


def respond(request):
    """Seconds of the fastest round, and of reading the matrix once, both over all people."""
    import numpy

    people, columns = request["people"], request["columns"]
    draw = numpy.random.default_rng(1)
    matrix = draw.random((people, columns), dtype=numpy.float32)
    if request["peer"] == "LightGBM":
        return {"seconds": boosted(matrix, request), "rows": min(people, ASKED)}
    weights = draw.standard_normal(columns, dtype=numpy.float32)
    found = []

    def look():
        found[:] = best(matrix @ weights, request["eligible_every"], request["top"])

    seconds = fastest(request["rounds"], look)
    read = fastest(request["rounds"], matrix.sum)
    if len(set(found)) != min(request["top"], -(-people // request["eligible_every"])):
        raise RuntimeError("numpy did not find as many as were asked for")
    return {"seconds": seconds, "read_seconds": read, "rows": people}


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

    def look():
        best(model.predict_proba(asked)[:, 1], request["eligible_every"], request["top"])

    return fastest(request["rounds"], look)


if __name__ == "__main__":
    process.answer(respond)
