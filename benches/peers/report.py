"""What was measured, as tables for people."""

from measures import mean


def table(rows):
    """Lines of equal columns: the first to the left, the others to the right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in enumerate(zip(row, widths)))
        for row in rows
    )


def lead(ours, theirs, measure):
    """How much more ours is, on average over folds, and in how many of them it is more."""
    gaps = [a[measure] - b[measure] for a, b in zip(ours["folds"], theirs["folds"], strict=True)]
    return mean(gaps), sum(gap > 0 for gap in gaps), len(gaps)


def lead_text(ours, theirs, measure, digits):
    """The lead as text; nothing where something is compared with itself."""
    if ours is theirs:
        return ""
    gap, won, of = lead(ours, theirs, measure)
    return f"{gap:+.{digits}f} ({won}/{of})"


def ratio(theirs, ours):
    """Theirs divided by ours."""
    return theirs / ours if ours else float("nan")


def relevance(section):
    """Probabilities of a response."""
    found = section["contestants"]
    ours = found["volens"]
    rows = [["", "AUC", "volens' lead", "log loss", "÷ volens", "ECE", "train CPU s", "÷ volens", "rows/s", "process CPU s", "MB"]]
    for name, one in found.items():
        rows.append([
            name,
            f"{one['auc']:.4f}",
            lead_text(ours, one, "auc", 4),
            f"{one['log_loss']:.4f}",
            f"{ratio(one['log_loss'], ours['log_loss']):.4f}",
            f"{one['ece']:.4f}",
            f"{one['train_cpu_s']:.2f}",
            f"{ratio(one['train_cpu_s'], ours['train_cpu_s']):.2f}",
            f"{one['predict_rows_per_s'] / 1e6:.2f} M",
            f"{one['process_cpu_s']:.1f}",
            f"{one['memory_mb']:.0f}",
        ])
    return table(rows)


def uplift(section):
    """Who is moved by the treatment."""
    found = section["contestants"]
    ours = found["volens"]
    rows = [["", "Qini per 1000", "sd", "volens' lead", "uplift at 30 %", "train CPU s", "÷ volens", "process CPU s", "MB"]]
    for name, one in found.items():
        rows.append([
            name,
            f"{one['qini_per_1000']:.2f}",
            f"{one['qini_sd']:.2f}",
            lead_text(ours, one, "qini_per_1000", 2),
            f"{one['uplift_at_30']:.4f}",
            f"{one['train_cpu_s']:.2f}",
            f"{ratio(one['train_cpu_s'], ours['train_cpu_s']):.2f}",
            f"{one['process_cpu_s']:.1f}",
            f"{one['memory_mb']:.0f}",
        ])
    return table(rows)


def scan(section):
    """The best of many people."""
    rows = [["", "ms", "÷ reading once", "÷ volens", "ns per person"]]
    ours, floor = section["contestants"]["volens"], section["floor_seconds"]
    rows.append(["reading f32 columns once", f"{1e3 * floor:.1f}", "1.00", f"{floor / ours:.2f}", f"{1e9 * floor / section['people']:.1f}"])
    for name, seconds in section["contestants"].items():
        rows.append([
            name,
            f"{1e3 * seconds:.1f}",
            f"{seconds / floor:.2f}",
            f"{seconds / ours:.2f}",
            f"{1e9 * seconds / section['people']:.1f}",
        ])
    return table(rows)


def filter_questions(section):
    """Counts of people by what they did."""
    found, parts = section["contestants"], []
    for at, question in enumerate(section["questions"]):
        rows = [["", "people", "CPU ms", "÷ volens"]]
        ours = found["volens"][at]["cpu_milliseconds"]
        for name, answers in found.items():
            spent = answers[at]["cpu_milliseconds"]
            rows.append([name, str(answers[at]["people"]), f"{spent:.3f}", f"{ratio(spent, ours):.1f}"])
        parts.append(f"{question}\n{table(rows)}")
    return "\n\n".join(parts)


TEXTS = {"relevance": relevance, "uplift": uplift, "scan": scan, "filter": filter_questions}
