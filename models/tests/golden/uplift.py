"""Makes uplift.json beside it: the definitions of the uplift measures written out row by row."""

import json
import random

random.seed(7)
n = 400
predicted = [random.random() for _ in range(n)]
treated = [int(random.random() < 0.6) for _ in range(n)]
outcome = [int(random.random() < 0.1 + 0.3 * x * t) for x, t in zip(predicted, treated)]


def measures():
    order = sorted(range(n), key=lambda row: -predicted[row])
    nt = nc = yt = yc = 0
    qini, gain = [0.0], [0.0]
    for k, row in enumerate(order, 1):
        if treated[row]:
            nt, yt = nt + 1, yt + outcome[row]
        else:
            nc, yc = nc + 1, yc + outcome[row]
        qini.append(yt - (yc * nt / nc if nc else 0))
        gain.append(((yt / nt if nt else 0) - (yc / nc if nc else 0)) * k / n)

    def area(curve):
        return sum((curve[i] + curve[i - 1]) / 2 for i in range(1, len(curve))) / n

    def at(share):
        top = order[: round(n * share)]
        arms = [[outcome[row] for row in top if treated[row] == arm] for arm in (1, 0)]
        return sum(arms[0]) / len(arms[0]) - sum(arms[1]) / len(arms[1])

    return dict(qini_per_1000=1000 * (area(qini) - qini[-1] / 2) / nt, auuc=area(gain), uplift_at_10=at(0.1), uplift_at_30=at(0.3))


with open("uplift.json", "w") as file:
    json.dump(dict(predicted=predicted, treated=treated, outcome=outcome, **measures()), file)
    file.write("\n")
