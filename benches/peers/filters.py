"""DuckDB on invented people and acts, drawn as `volens bench filter` draws its own."""

import tomllib
from pathlib import Path

import process

PEERS = {"DuckDB": ["duckdb"], "DuckDB, sorted": ["duckdb"]}
PACKAGES = ["numpy", "pandas"]
# Each question is asked until it took so many CPU seconds, as there.
LONG_ENOUGH = 0.5
KEPT_DAYS = 35
# Kind, share of a hundred acts, interest in its topic in views.
KINDS = [("viewed", 70, 1), ("clicked", 12, 2), ("liked", 6, 3), ("saved", 4, 3), ("bought", 5, 6), ("hid", 3, -4)]
VIEWED, BOUGHT = 0, 4
COUNTRIES, BANDS = 8, 5
# Of the countries IE and GB, of the age bands 25_34 and 35_49.
WANTED_COUNTRIES, WANTED_BANDS = (0, 1), (1, 2)
HALF_LIFE_DAYS = 90
TOPICS = Path(__file__).parent / "../../privacy/topics.toml"

# The questions of `volens bench filter`, in its order, each in the fastest of several forms that were tried.
QUESTIONS = [
    """SELECT count(*) FROM people SEMI JOIN
       (SELECT who FROM acts WHERE kind = {viewed} AND topic IN {sport} AND age <= 14) USING (who)
       WHERE country IN {countries} AND band IN {bands} AND runs""",
    """SELECT count(*) FROM (SELECT who FROM acts
       WHERE topic IN {sport} AND age <= 30 AND kind IN ({viewed}, {bought}) GROUP BY who
       HAVING max(kind) = {viewed})""",
    """SELECT count(*) FROM (SELECT who FROM acts
       WHERE kind = {viewed} AND topic IN {sport} AND age <= 14 GROUP BY who HAVING count(*) >= 3)""",
]


def usable_topics(text):
    """The topics that signals may name, in their order."""
    return [topic["id"] for topic in tomllib.loads(text)["topic"] if not topic.get("sensitive", False)]


def acts_each(people, events):
    """How many acts each person gets: as even as can be, the first ones one more."""
    each, more = divmod(events, people)
    return [each + 1] * more + [each] * (people - more)


def draw(people, events):
    """Tables of people and acts, with codes for words."""
    import numpy
    import pandas

    topics = usable_topics(TOPICS.read_text(encoding="utf-8"))
    rng = numpy.random.default_rng(1)
    hundred = numpy.repeat(numpy.arange(len(KINDS), dtype=numpy.uint8), [share for _, share, _ in KINDS])
    acts = pandas.DataFrame({
        "who": numpy.repeat(numpy.arange(people, dtype=numpy.uint32), acts_each(people, events)),
        "kind": hundred[rng.integers(0, 100, events, dtype=numpy.uint8)],
        "topic": rng.integers(0, len(topics), events, dtype=numpy.uint8),
        "age": rng.integers(0, KEPT_DAYS + 1, events, dtype=numpy.uint8),
    })
    interest = numpy.array([weight for *_, weight in KINDS], dtype=float)
    running = acts[acts.topic == topics.index("sport.running")]
    shown = interest[running.kind] * numpy.exp2(-running.age.to_numpy() / HALF_LIFE_DAYS)
    table = pandas.DataFrame({
        "who": numpy.arange(people, dtype=numpy.uint32),
        "country": rng.integers(0, COUNTRIES, people, dtype=numpy.uint8),
        "band": rng.integers(0, BANDS, people, dtype=numpy.uint8),
        "runs": numpy.bincount(running.who, shown, people) > 0,
    })
    sport = tuple(code for code, topic in enumerate(topics) if topic.split(".")[0] == "sport")
    return table, acts, sport


def respond(request):
    """How many each question finds, and its CPU milliseconds."""
    import duckdb

    people_drawn, acts_drawn, sport = draw(request["people"], request["events"])
    order = "ORDER BY kind, topic, age" if request["peer"] == "DuckDB, sorted" else ""
    connection = duckdb.connect(config={"threads": request["threads"]})
    connection.execute("CREATE TABLE people AS SELECT * FROM people_drawn")
    connection.execute(f"CREATE TABLE acts AS SELECT * FROM acts_drawn {order}")
    del people_drawn, acts_drawn
    words = {"viewed": VIEWED, "bought": BOUGHT, "sport": sport, "countries": WANTED_COUNTRIES, "bands": WANTED_BANDS}
    questions = []
    for question in QUESTIONS:
        statement, times, begin = question.format(**words), 0, process.cpu()
        while process.cpu() - begin < LONG_ENOUGH:
            found = connection.execute(statement).fetchone()[0]
            times += 1
        questions.append({"people": found, "cpu_milliseconds": 1000 * (process.cpu() - begin) / times})
    return {"questions": questions}


if __name__ == "__main__":
    process.answer(respond)
