"""What others make of the same randomised campaign on the same folds: who is moved by the treatment."""

import measures
import process
import tables
from relevance import one_hot, read

PEERS = {
    "response model": ["scikit-learn"],
    "class transformation": ["scikit-learn"],
    "two logistic regressions": ["scikit-learn"],
    "doubly robust": ["scikit-learn"],
    "two LightGBM": ["lightgbm"],
}
PACKAGES = ["numpy", "pandas", "scikit-learn"]
INNER_FOLDS = 3


def arms(path, treatment, control, treated):
    """1 for treated rows, 0 for rows held out, None for those of other arms."""
    texts = tables.column(path, treatment)
    for wanted in (control, treated):
        if wanted not in texts:
            raise tables.Wrong(f'no row has {treatment} = "{wanted}"; there are: {", ".join(sorted(set(texts))[:10])}')
    return [{treated: 1, control: 0}.get(text) for text in texts]


def strata(arm, outcome):
    """Folds share out the treated and those held out, each with and without the outcome, and all others."""
    return [-1 if of is None else 2 * of + out for of, out in zip(arm, outcome)]


def classifier(peer, frame, threads, seed):
    """The learner of a response inside each of the methods."""
    if peer == "two LightGBM":
        from lightgbm import LGBMClassifier

        return LGBMClassifier(n_jobs=threads, random_state=seed, verbose=-1)
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(one_hot(frame), LogisticRegression(max_iter=1000))


def changes(peer, learn, arm, outcome, ask, new):
    """Trains on the rows of `learn`; answers how to predict the change of the rows of `ask`.

    `new` makes an untrained learner of a response.
    """
    if peer == "response model":
        model = new().fit(learn, outcome)
        return lambda: model.predict_proba(ask)[:, 1]
    if peer == "class transformation":
        # Jaskowski, Jaroszewicz 2012: treated and responded, or held out and did not.
        share = arm.mean()
        weight = (arm / share + (1 - arm) / (1 - share)) / 2
        model = new().fit(learn, (arm == outcome).astype(int), logisticregression__sample_weight=weight)
        return lambda: 2 * model.predict_proba(ask)[:, 1] - 1
    if peer == "doubly robust":
        return doubly_robust(learn, arm, outcome, ask, new)
    treated, control = (new().fit(learn[arm == of], outcome[arm == of]) for of in (1, 0))
    return lambda: treated.predict_proba(ask)[:, 1] - control.predict_proba(ask)[:, 1]


def doubly_robust(learn, arm, outcome, ask, new):
    """Kennedy 2020: a ridge regression of the difference of the arms, corrected by inverse probabilities."""
    import numpy
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline

    share, change = arm.mean(), numpy.zeros(len(arm))
    inner = StratifiedKFold(INNER_FOLDS, shuffle=True, random_state=0)
    for known, unseen in inner.split(learn, 2 * arm + outcome):
        part, of, out = learn.iloc[unseen], arm[unseen], outcome[unseen]
        expected = []
        for wanted in (1, 0):
            rows = known[arm[known] == wanted]
            expected.append(new().fit(learn.iloc[rows], outcome[rows]).predict_proba(part)[:, 1])
        mu_t, mu_c = expected
        corrected = of / share * (out - mu_t) - (1 - of) / (1 - share) * (out - mu_c)
        change[unseen] = mu_t - mu_c + corrected
    model = make_pipeline(one_hot(learn), RidgeCV(alphas=[1, 10, 100, 1000])).fit(learn, change)
    return lambda: model.predict(ask)


def respond(request):
    """Learns and measures every fold."""
    import numpy

    data = request["data"]
    arm = arms(data, request["treatment"], request["control"], request["treated"])
    outcome = tables.labels(data, request["outcome"])
    kept = [row for row, of in enumerate(arm) if of is not None]
    given = tables.read_folds(request["folds"], len(arm))
    frame = read(data, [*request["drop"], request["treatment"], request["outcome"]]).iloc[kept]
    arm, outcome = numpy.array([arm[row] for row in kept]), numpy.array([outcome[row] for row in kept])
    folds = []
    for train, test in tables.splits([given[row] for row in kept]):
        def new():
            return classifier(request["peer"], frame, request["threads"], request["seed"])

        before = process.cpu()
        predict = changes(request["peer"], frame.iloc[train], arm[train], outcome[train], frame.iloc[test], new)
        spent = process.cpu() - before
        measured = measures.uplift(predict().astype(float).tolist(), arm[test].tolist(), outcome[test].tolist())
        folds.append({**measured, "train_cpu_s": spent})
    return {"folds": folds}


if __name__ == "__main__":
    process.answer(respond)
