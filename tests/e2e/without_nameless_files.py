#!/usr/bin/env python3
"""without_nameless_files.py COMMAND...: runs it where no file system has O_TMPFILE, as NFS has none."""
import errno
import os
import sys

from without_single_copy import ALLOW, FAIL, JUMP_IF_EQUAL, JUMP_IF_SET, LOAD, RESULT, set_filter

OPENAT = {"x86_64": 257, "aarch64": 56}
THIRD_ARGUMENT = 32  # where the filter finds it
O_TMPFILE = os.O_TMPFILE & ~os.O_DIRECTORY

if __name__ == "__main__":
    set_filter([(LOAD, 0, 0, 0), (JUMP_IF_EQUAL, 0, 2, OPENAT[os.uname().machine]), (LOAD, 0, 0, THIRD_ARGUMENT),
                (JUMP_IF_SET, 1, 0, O_TMPFILE), (RESULT, 0, 0, ALLOW), (RESULT, 0, 0, FAIL | errno.EOPNOTSUPP)])
    os.execvp(sys.argv[1], sys.argv[1:])
