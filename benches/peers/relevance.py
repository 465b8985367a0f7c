"""What others learn from the same table on the same folds: probabilities of a response."""

import time

import measures
import process
import tables

# Names as they are printed, and the packages each needs. Settings are in `classifier`.
PEERS = {
    "LightGBM": ["lightgbm"],
    "LightGBM, slow": ["lightgbm"],
    "XGBoost": ["xgboost-cpu"],
    "HistGradientBoosting": ["scikit-learn"],
    "logistic regression": ["scikit-learn"],
    "EBM": ["interpret-core"],
}
PACKAGES = ["numpy", "pandas", "scikit-learn"]
# Trees of scikit-learn take so many words of a column.
WORDS_MAX = 255


def read(path, without):
    """The columns to learn from: numbers where every value is one, words elsewhere."""
    import pandas

    frame = pandas.read_csv(path, keep_default_na=False, na_values=list(tables.MISSING), skipinitialspace=True)
    frame.columns = [name.strip() for name in frame.columns]
    frame = frame.drop(columns=without)
    for name in frame.columns:
        if frame[name].dtype.kind not in "ifb":
            frame[name] = frame[name].astype("string").str.strip().astype("category")
    return frame


def classifier(peer, frame, threads, seed):
    """An untrained learner; README.md says where the settings come from."""
    if peer.startswith("LightGBM"):
        from lightgbm import LGBMClassifier

        slow = {"n_estimators": 500, "learning_rate": 0.02, "num_leaves": 15, "min_child_samples": 50,
                "subsample": 0.8, "subsample_freq": 1, "colsample_bytree": 0.5}
        return LGBMClassifier(n_jobs=threads, random_state=seed, verbose=-1, **(slow if "slow" in peer else {}))
    if peer == "XGBoost":
        from xgboost import XGBClassifier

        return XGBClassifier(n_estimators=300, learning_rate=0.05, max_depth=4, min_child_weight=5, subsample=0.8,
                             colsample_bytree=0.8, tree_method="hist", enable_categorical=True, n_jobs=threads,
                             random_state=seed)
    if peer == "EBM":
        from interpret.glassbox import ExplainableBoostingClassifier

        return ExplainableBoostingClassifier(n_jobs=threads, random_state=seed)
    if peer == "HistGradientBoosting":
        return histogram_trees(frame, seed)
    return logistic(frame)


def histogram_trees(frame, seed):
    """scikit-learn's boosted trees; rare words of a column that has too many become one."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    words = list(frame.select_dtypes("category").columns)
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=float("nan"), max_categories=WORDS_MAX)
    encoded = make_column_transformer((encoder, words), remainder="passthrough")
    trees = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=300, categorical_features=list(range(len(words))), random_state=seed
    )
    return make_pipeline(encoded, trees)


def logistic(frame):
    """Logistic regression on standardised numbers and one-hot words, defaults."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(one_hot(frame), LogisticRegression(max_iter=1000))


def one_hot(frame):
    """Standardised numbers with a column for gaps, and a column per word."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    words = list(frame.select_dtypes("category").columns)
    numbers = [name for name in frame.columns if name not in words]
    gaps = SimpleImputer(strategy="median", add_indicator=True)
    return make_column_transformer(
        (make_pipeline(gaps, StandardScaler()), numbers), (OneHotEncoder(handle_unknown="ignore"), words)
    )


def respond(request):
    """Learns and measures every fold: CPU seconds of training, and how good the probabilities are."""
    import numpy

    frame = read(request["data"], [*request["drop"], request["label"]])
    labels = numpy.array(tables.labels(request["data"], request["label"]))
    folds = []
    for train, test in tables.splits(tables.read_folds(request["folds"], len(labels))):
        learner = classifier(request["peer"], frame, request["threads"], request["seed"])
        learn, ask = frame.iloc[train], frame.iloc[test]
        before = process.cpu()
        learner.fit(learn, labels[train])
        trained = process.cpu()
        probabilities = learner.predict_proba(ask)[:, 1]
        predicted = process.cpu()
        measured = measures.response(probabilities.astype(float).tolist(), labels[test].tolist())
        speed = len(test) / max(predicted - trained, time.get_clock_info("process_time").resolution)
        folds.append({**measured, "train_cpu_s": trained - before, "predict_rows_per_s": speed})
    return {"folds": folds}


if __name__ == "__main__":
    process.answer(respond)
