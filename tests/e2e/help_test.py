"""--help: what a value may be and what it is by default, in one form in every command."""
import re
import unittest

import weft


class Help(unittest.TestCase):
    def test_every_command(self):
        commands = re.findall(r"^  (\w+) ", weft.run("--help").out.split("Subcommands:")[1], re.M)
        self.assertIn("generate", commands)
        for command in commands:
            text = weft.run(command, "--help").out
            self.assertNotRegex(text, r"\bINT\b|\bUINT\b|\bFLOAT\b| in \[|e\+\d|=\S+$", command)

    def test_ranges_and_defaults(self):
        text = re.sub(r"\s+", " ", weft.run("generate", "--help").out)
        for line in ["--max-tokens N tokens to generate at most (1 …; default 256)",
                     "--threads N threads a rank (1 …; default this rank's share of the CPUs)",
                     "--dtype auto|f32|bf16|f16|q8 "]:
            self.assertIn(line, text)

    def test_help_all_lists_commands_of_commands(self):
        text = weft.run("--help-all").out
        self.assertRegex(text, r"(?m)^bench model$")
        self.assertIn("--repetitions N", text)

    def test_number_out_of_range(self):
        for value, sentence in [("0", "--threads: 0 is out of range; it must be in 1 …"), ("x", "--threads: 'x' is no number"),
                                ("99999999999", "it must be in 1 … 1073741824")]:
            done = weft.run("generate", "--model", weft.GOLDEN, "--prompt", "a", "--threads", value)
            self.assertEqual(done.code, 2)
            self.assertIn(sentence, done.err)


if __name__ == "__main__":
    unittest.main()
