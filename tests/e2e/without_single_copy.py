#!/usr/bin/env python3
"""without_single_copy.py COMMAND...: runs it where process_vm_readv and process_vm_writev fail, as in some containers."""
import ctypes
import errno
import os
import struct
import sys

NUMBERS = {"x86_64": (310, 311), "aarch64": (270, 271)}  # of the two system calls


LOAD, JUMP_IF_EQUAL, JUMP_IF_SET, RESULT = 0x20, 0x15, 0x45, 0x06
FAIL, ALLOW = 0x00050000, 0x7fff0000  # FAIL | errno


def set_filter(program):
    """A seccomp filter for this process and its children, as steps (code, jump if true, jump if false, operand)."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    libc, no_new_privs, set_seccomp, filter_mode = ctypes.CDLL(None), 38, 22, 2
    if libc.prctl(no_new_privs, 1, 0, 0, 0) != 0 or libc.prctl(set_seccomp, filter_mode, header) != 0:
        sys.exit("no seccomp filter could be set")


def forbid(syscalls):
    """These fail with EPERM."""
    program = [(LOAD, 0, 0, 0)]
    for number in syscalls:
        program += [(JUMP_IF_EQUAL, 0, 1, number), (RESULT, 0, 0, FAIL | errno.EPERM)]
    set_filter([*program, (RESULT, 0, 0, ALLOW)])


if __name__ == "__main__":
    forbid(NUMBERS[os.uname().machine])
    os.execvp(sys.argv[1], sys.argv[1:])
