"""The output of `weft bench`: rows that say where they were measured, lists of values, CSV, one writer a job."""
import csv
import io
import json
import os
import unittest

import weft

MODEL = ["--model", os.path.join(weft.GOLDEN, "mixtral"), "--log-level", "error"]
MACHINE = {"revision", "date", "cpu", "cpus", "instruction_sets", "flags"}


def bench(*args, ranks=0):
    done = weft.run("bench", *args, ranks=ranks)
    if done.code != 0:
        raise AssertionError(f"exit code {done.code}: {done.err}")
    return done.out


class Bench(unittest.TestCase):
    def test_model_lists(self):
        args = ["model", *MODEL, "--pp", "4,8", "--tg", "6", "--batch", "1,2", "--repetitions", "2"]
        rows = [json.loads(line) for line in bench(*args, "--json").splitlines()]
        self.assertEqual([(row["batch"], row["pp"], row["tg"], row["depth"]) for row in rows], [(1, 4, 6, 0), (1, 8, 6, 0), (2, 4, 6, 0), (2, 8, 6, 0)])
        for row in rows:
            self.assertLessEqual(MACHINE | {"model", "ranks", "threads", "mesh", "dtype", "kv_dtype"}, set(row))
            self.assertIn("--batch 1,2", row["flags"])
            for figure in ["prefill_tok_s", "decode_tok_s", "ttft_s"]:
                self.assertLessEqual(row[figure + "_min"], row[figure])
                self.assertLessEqual(row[figure], row[figure + "_max"])
        table = list(csv.DictReader(io.StringIO(bench(*args, "--csv"))))
        self.assertEqual([list(row) for row in table], [list(row) for row in rows])
        self.assertEqual([row["fingerprint"] for row in table], [row["fingerprint"] for row in rows])

    def test_a_row_depends_on_no_other(self):
        one = json.loads(bench("model", *MODEL, "--pp", "8", "--tg", "0", "--repetitions", "1", "--json"))
        self.assertIsNone(one["decode_tok_s"])
        two = json.loads(bench("model", *MODEL, "--pp", "4,8", "--tg", "0", "--repetitions", "1", "--json", ranks=2).splitlines()[1])
        self.assertEqual(one["fingerprint"], two["fingerprint"])
        self.assertEqual((one["ranks"], two["ranks"]), (1, 2))

    def test_ops_and_collectives(self):
        for ranks in (0, 2):
            rows = [json.loads(line) for line in bench("ops", "--filter", "rms_norm/0", "--threads", "1", "--json", ranks=ranks).splitlines()]
            self.assertEqual(len(rows), len({row["case"] for row in rows}), "every rank wrote them")
            self.assertLessEqual(MACHINE | {"case", "us", "share_of_limit", "fingerprint"}, set(rows[0]))
        rows = [json.loads(line) for line in bench("comm", "--sizes", "1024,3000", "--iterations", "2", "--json", ranks=2).splitlines()]
        self.assertEqual([(row["op"], row["bytes"]) for row in rows],
                         [(op, size) for op in ("all_gather_v", "all_to_all_v", "broadcast", "reduce_scatter", "all_reduce") for size in (1024, 3000)])
        self.assertLessEqual(MACHINE | {"ranks", "us_min", "us_max", "outliers", "busbw_gb_s"}, set(rows[0]))

    def test_refusals(self):
        for args, sentence in [(["model", *MODEL, "--pp", "8,x"], "'x' is no number"), (["comm", "--json", "--csv"], "excludes"),
                               (["model", *MODEL, "--stages", "2"], "^weft: pp \\* dp"), (["model", *MODEL, "--pp", "4", "--tg", "4", "--batch", "1,900"], "--max-seqs")]:
            done = weft.run("bench", *args)
            self.assertEqual(done.code, 2, args)
            self.assertRegex(done.err, sentence)


if __name__ == "__main__":
    unittest.main()
