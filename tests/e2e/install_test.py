"""`cmake --install` and the archive of `cpack`: complete, and independent of this machine's libraries."""
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest

import weft

BUILD = os.path.dirname(weft.BIN)
MODEL = os.path.join(weft.GOLDEN, "llama2")
GLIBC = re.compile(r"^(linux-vdso|ld-linux[\w-]*|lib(c|m|dl|rt|pthread|resolv|util))\.so")


def checked(*command, **options):
    """stdout and stderr of a command that has to succeed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=300, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def libraries_outside(root, path):
    """The shared libraries that a program or component loads from anywhere but `root`, glibc's left out."""
    lines = checked("ldd", path, env={"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": os.path.join(root, "lib", "weft")}).splitlines()
    return [line.strip() for line in lines if not GLIBC.match(os.path.basename(line.split()[0])) and root not in line]


class Install(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = os.path.realpath(scratch.name)

    def assert_whole(self, root):
        for path in ["bin/weft", "share/weft/proto/weft/v1/weft.proto", "share/weft/configs/models/qwen3-8b.json",
                     "share/doc/weft/LICENSE", "share/doc/weft/README.md", "share/doc/weft/docs/architecture.md"]:
            self.assertTrue(os.path.isfile(os.path.join(root, path)), path)
        self.assertRegex(checked(os.path.join(root, "bin", "weft"), "--version"), r"^weft \d")

    def test_installed_tree(self):
        checked("cmake", "--install", BUILD, "--prefix", self.scratch)
        self.assert_whole(self.scratch)
        self.assertFalse(os.path.exists(os.path.join(self.scratch, "lib")), "libraries are the system's")

    def test_archive(self):
        checked("cpack", "--config", "CPackConfig.cmake", "-B", self.scratch, cwd=BUILD)
        archives = [name for name in os.listdir(self.scratch) if name.endswith(".tar.gz")]
        self.assertEqual(len(archives), 1, archives)
        with tarfile.open(os.path.join(self.scratch, archives[0])) as archive:
            archive.extractall(self.scratch)
        root = os.path.join(self.scratch, archives[0].removesuffix(".tar.gz"))
        self.assert_whole(root)
        self.assertIn("libgrpc++1.51" if os.path.exists("/usr/share/doc/libgrpc++1.51") else "libspdlog1.10",
                      os.listdir(os.path.join(root, "share", "doc", "weft", "third-party")))

        # Moved, so that nothing found at the place it was made is found by chance.
        moved = os.path.join(self.scratch, "else where")
        shutil.move(root, moved)
        components = [os.path.join(folder, name) for folder, _, names in os.walk(os.path.join(moved, "lib", "x86_64-linux-gnu"))
                      for name in names if name.endswith(".so")]
        self.assertGreater(len(components), 50)
        for path in [os.path.join(moved, "bin", "weft"), os.path.join(moved, "libexec", "weft", "mpirun"), *components]:
            self.assertEqual(libraries_outside(moved, path), [], path)
        answer = checked(os.path.join(moved, "bin", "mpirun"), "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", "2",
                         os.path.join(moved, "bin", "weft"), "generate", "--model", MODEL, "--token-ids", "1,2,3", "--max-tokens", "4", "--json",
                         env={"PATH": "/usr/bin:/bin", "WEFT_PIN": "0"}, cwd="/")
        self.assertIn("tp=2", answer)


if __name__ == "__main__":
    unittest.main()
