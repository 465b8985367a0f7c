"""What the comparison computes by itself. Needs the standard library only: python3 -m unittest"""

import contextlib
import io
import json
import os
import sys
import tempfile
import unittest
from pathlib import Path

import compare
import filters
import measures
import process
import relevance
import report
import sections
import tables
import uplift

GOLDEN = Path(__file__).parent / "../../models/tests/golden"


def golden(name):
    return json.loads((GOLDEN / name).read_text(encoding="utf-8"))


class Measures(unittest.TestCase):
    def test_agree_with_scikit_learn_on_ties_zeros_and_tiny_scores(self):
        for case in golden("metrics.json")["cases"]:
            found = measures.response(case["probabilities"], case["labels"])
            for name in ("auc", "log_loss"):
                self.assertAlmostEqual(found[name], case[name], 9, f"{name} of {case['name']}")

    def test_agree_with_the_definition_of_qini_written_out(self):
        case = golden("uplift.json")
        found = measures.uplift(case["predicted"], case["treated"], case["outcome"])
        for name in ("qini_per_1000", "uplift_at_30"):
            self.assertAlmostEqual(found[name], case[name], 9, name)

    def test_a_ranking_of_ties_gains_nothing_and_the_order_of_rows_is_nothing(self):
        treated, outcome = [1, 0, 1, 0, 1, 0], [1, 0, 1, 0, 0, 1]
        self.assertEqual(measures.uplift([0.5] * 6, treated, outcome)["qini_per_1000"], 0)
        predicted = [0.3, 0.1, 0.3, 0.2, 0.1, 0.2]
        backwards = measures.uplift(predicted[::-1], treated[::-1], outcome[::-1])
        self.assertEqual(measures.uplift(predicted, treated, outcome), backwards)

    def test_calibration_error_is_the_mean_distance_of_the_bins(self):
        # Fifteen bins of two rows; one row of each has the response, so a probability of 0.4 is off by 0.1.
        self.assertAlmostEqual(measures.ece([0.4] * 30, [0, 1] * 15), 0.1)
        self.assertAlmostEqual(measures.ece([0.5] * 30, [0, 1] * 15), 0.0)
        # Seven bins too high by 0.4, eight too low by as much: an error that the mean does not show.
        self.assertAlmostEqual(measures.ece([0.9] * 14 + [0.1] * 16, [0, 1] * 15), 0.4)
        spread = [0.01 * row for row in range(30)]
        self.assertAlmostEqual(measures.ece(spread, [0] * 30), sum(spread) / 30)

    def test_what_cannot_be_measured_is_refused(self):
        with self.assertRaises(ValueError):
            measures.auc([0.1, 0.2], [1, 1])
        with self.assertRaises(ValueError):
            measures.uplift([0.1, 0.2], [1, 1], [0, 1])

    def test_deviation_is_that_of_a_sample(self):
        self.assertAlmostEqual(measures.deviation([1, 2, 3]), 1)
        self.assertEqual(measures.deviation([1]), 0)


class Tables(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, text):
        path = Path(self.folder.name) / "table.csv"
        path.write_text(text, encoding="utf-8")
        return path

    def assert_wrong(self, part, work, *args):
        with self.assertRaises(tables.Wrong) as raised:
            work(*args)
        self.assertIn(part, str(raised.exception))

    def test_folds_are_read_whatever_their_order(self):
        self.assertEqual(tables.read_folds(self.file("row,fold\n2,7\n0,1\n1,7\n"), 3), [1, 7, 7])
        self.assertEqual(list(tables.splits([1, 7, 7])), [([1, 2], [0]), ([0], [1, 2])])

    def test_folds_that_do_not_fit_are_refused(self):
        for text, part in [
            ("row,fold\n0,1\n", "row 1 is in no fold"),
            ("row,fold\n0,1\n0,2\n", "row 0 is in two folds"),
            ("row,fold\n5,1\n", "no such row"),
            ("row,fold\n-1,1\n", "no such row"),
            ("row\n0\n", 'no column "fold"'),
            ("row,fold\n", "has no rows"),
            ("row,fold\n1\n", "record 1 has 1 cells"),
        ]:
            self.assert_wrong(part, tables.read_folds, self.file(text), 2)
        self.assert_wrong("cannot be read", tables.read_folds, Path(self.folder.name) / "absent.csv", 2)

    def test_folds_of_our_own_share_out_every_stratum_and_follow_the_seed(self):
        strata = [row % 10 == 0 for row in range(200)]
        folds = tables.stratified(strata, 7)
        for fold in range(tables.FOLDS):
            rows = [row for row in range(200) if folds[row] == fold]
            self.assertEqual((len(rows), sum(strata[row] for row in rows)), (40, 4))
        self.assertEqual(folds, tables.stratified(strata, 7))
        self.assertNotEqual(folds, tables.stratified(strata, 8))
        path = Path(self.folder.name) / "folds.csv"
        tables.write_folds(path, folds)
        self.assertEqual(tables.read_folds(path, 200), folds)

    def test_labels_are_zeros_and_ones(self):
        self.assertEqual(tables.labels(self.file("\ufeffy , x\n1,a\n0,b\n 1.0,c\n"), "y"), [1, 0, 1])
        self.assert_wrong("row 1 is not", tables.labels, self.file("y\n1\nyes\n"), "y")

    def test_arms_are_told_apart_and_a_wrong_name_is_refused(self):
        path = self.file("arm\nmail\nnone\nletter\n")
        arm = uplift.arms(path, "arm", "none", "mail")
        self.assertEqual(arm, [1, 0, None])
        self.assertEqual(uplift.strata(arm, [1, 1, 0]), [3, 1, -1])
        self.assert_wrong("there are: letter, mail, none", uplift.arms, path, "arm", "none", "post")


class Drawing(unittest.TestCase):
    def test_acts_are_shared_out_evenly(self):
        self.assertEqual(filters.acts_each(3, 8), [3, 3, 2])
        self.assertEqual(filters.acts_each(4, 2), [1, 1, 0, 0])

    def test_kinds_are_a_hundred_and_topics_are_those_that_signals_may_name(self):
        self.assertEqual(sum(share for _, share, _ in filters.KINDS), 100)
        self.assertEqual([filters.KINDS[at][0] for at in (filters.VIEWED, filters.BOUGHT)], ["viewed", "bought"])
        text = '[[topic]]\nid = "sport"\n[[topic]]\nid = "health"\nsensitive = true\n[[topic]]\nid = "food"\n'
        self.assertEqual(filters.usable_topics(text), ["sport", "food"])
        self.assertIn("sport.running", filters.usable_topics(filters.TOPICS.read_text(encoding="utf-8")))

    def test_counts_of_two_draws_are_alike_and_of_two_questions_are_not(self):
        self.assertTrue(sections.alike(4_148, 4_230) and sections.alike(0, 1))
        self.assertFalse(sections.alike(4_148, 5_148) or sections.alike(0, 50))


class Running(unittest.TestCase):
    def test_a_child_has_its_own_account(self):
        busy = "import json, time\nwhile time.process_time() < 0.3: pass\nprint(json.dumps([1, 2]))"
        answer, spent, memory = process.run([sys.executable, "-S", "-c", busy])
        self.assertEqual(answer, [1, 2])
        self.assertGreaterEqual(spent, 0.25)
        self.assertGreater(memory, 1)
        _, idle, _ = process.run([sys.executable, "-S", "-c", "print(0)"])
        self.assertLess(idle, spent)

    def test_a_child_that_fails_is_told_with_its_last_words(self):
        for program, part in [("raise SystemExit('no data')", "no data"), ("print('x')", "no JSON")]:
            with self.assertRaises(tables.Wrong) as raised:
                process.run([sys.executable, "-S", "-c", program])
            self.assertIn(part, str(raised.exception))
        with self.assertRaises(tables.Wrong):
            process.run(["/nowhere/volens"])

    def test_as_many_cores_as_are_asked_for(self):
        self.addCleanup(os.sched_setaffinity, 0, process.CORES)
        self.assertEqual(process.pin(1), 1)
        answer, _, _ = process.run([sys.executable, "-S", "-c", "import os; print(len(os.sched_getaffinity(0)), end='')"])
        self.assertEqual(answer, 1)
        with self.assertRaises(tables.Wrong):
            process.pin(len(process.CORES) + 1)

    def test_every_package_that_a_peer_takes_is_pinned(self):
        run = sections.Settings(Path("volens"), 2, None, None)
        self.assertLessEqual(set(run.packages(sections.MODULES)), set(process.pins()))
        self.assertEqual(run.turns(filters)[:2], [(1, "volens"), (1, "DuckDB")])
        others = len(relevance.PEERS) - len(sections.SLOW)
        self.assertEqual(len(run.turns(relevance)), 2 * (1 + others))
        named = sections.Settings(Path("volens"), 1, ["EBM"], None)
        self.assertEqual(named.turns(relevance), [(1, "volens"), (1, "EBM")])

    def test_a_package_that_is_not_there_is_told_with_what_to_do(self):
        with self.assertRaises(tables.Wrong) as raised:
            process.versions(["no-such-package"])
        self.assertIn("pip install -r", str(raised.exception))

    def test_a_command_line_repeats_an_option_with_several_values(self):
        run = sections.Settings(Path("volens"), 1, ["none"], None)
        words = sections.command(run, "bench", "scan", drop=["a", "b"], eligible_every=5)
        self.assertEqual(words[3:], ["--json", "--drop", "a", "--drop", "b", "--eligible-every", 5])

    def test_a_wrong_command_line_is_refused(self):
        python = ["--volens", sys.executable]
        given = compare.parser().parse_args(["scan", *python, "--people", "7"])
        self.assertEqual((given.volens, given.people), (Path(sys.executable).resolve(), 7))
        for words in (["scan"], ["scan", *python, "--people", "0"], ["race"], ["scan", "--volens", "/nowhere/volens"]):
            with self.assertRaises(SystemExit) as raised, contextlib.redirect_stderr(io.StringIO()):
                compare.parser().parse_args(words)
            self.assertEqual(raised.exception.code, 2)
        with self.assertRaises(tables.Wrong):
            compare.check_peers(["LightGMB"], [relevance])


class Report(unittest.TestCase):
    def test_leads_and_ratios_are_ours_against_theirs(self):
        ours = {"folds": [{"auc": 0.8}, {"auc": 0.7}, {"auc": 0.6}]}
        theirs = {"folds": [{"auc": 0.7}, {"auc": 0.72}, {"auc": 0.63}]}
        self.assertEqual(report.lead_text(ours, theirs, "auc", 4), "+0.0167 (1/3)")
        self.assertEqual(report.lead_text(ours, ours, "auc", 4), "")
        self.assertEqual(report.ratio(3, 2), 1.5)

    def test_columns_are_of_one_width(self):
        lines = report.table([["", "AUC"], ["volens", "0.8"]]).splitlines()
        self.assertEqual(lines, ["        AUC", "volens  0.8"])

    def test_a_scan_is_told_in_readings(self):
        section = {"people": 1000, "floor_seconds": 0.5, "contestants": {"volens": 1.0, "numpy": 4.0}}
        text = report.scan(section).splitlines()
        self.assertEqual(text[3].split(), ["numpy", "4000.0", "8.00", "4.00", "4000000.0"])


if __name__ == "__main__":
    unittest.main()
