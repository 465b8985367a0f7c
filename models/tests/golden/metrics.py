"""Makes metrics.json beside it. Needs scikit-learn (1.9.1 was used): python metrics.py"""

import json
import random

import sklearn
from sklearn.metrics import roc_auc_score, average_precision_score, log_loss, brier_score_loss
random.seed(20261121)
cases = []
def add(name, p, y):
    cases.append(dict(name=name, probabilities=p, labels=y,
        auc=float(roc_auc_score(y, p)), pr_auc=float(average_precision_score(y, p)),
        log_loss=float(log_loss(y, p)), brier=float(brier_score_loss(y, p))))
p = [round(random.random(), 6) for _ in range(200)]
add("distinct", p, [int(random.random() < q) for q in p])
p = [random.choice([0.1, 0.2, 0.5, 0.9]) for _ in range(200)]
add("ties", p, [int(random.random() < q) for q in p])
add("one group at zero", [0.0, 0.0, 0.5, 0.5], [0, 0, 1, 0])
add("all scores equal", [0.3] * 10, [0, 1, 0, 1, 0, 0, 0, 1, 0, 0])
add("tiny differences", [1e-12 * k for k in (1, 2, 3, 4)], [0, 0, 1, 1])
add("tiny scores", [3e-300, 2e-300, 1e-300, 5e-12], [0, 1, 0, 1])
add("certain", [0.0, 1.0, 0.0, 1.0, 1.0], [0, 1, 1, 1, 0])
p = [0.001 * random.random() for _ in range(300)]
add("rare", p, [1 if k % 97 == 0 else 0 for k in range(300)])
with open("metrics.json", "w") as file:
    file.write('{"made_with": %s, "cases": [\n' % json.dumps("scikit-learn " + sklearn.__version__))
    file.write(",\n".join(json.dumps(case) for case in cases) + "\n]}\n")
