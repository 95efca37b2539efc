#!/usr/bin/env python3
"""without_single_copy.py COMMAND...: runs it where process_vm_readv and process_vm_writev fail, as in some containers."""
import ctypes
import os
import struct
import sys

NUMBERS = {"x86_64": (310, 311), "aarch64": (270, 271)}  # of the two system calls


def forbid(syscalls):
    """A seccomp filter for this process and its children: these fail with EPERM."""
    load_number, jump_if_equal, result = (0x20, 0, 0, 0), 0x15, 0x06
    eperm, allow = 0x00050000 | 1, 0x7fff0000
    program = [load_number]
    for number in syscalls:
        program += [(jump_if_equal, 0, 1, number), (result, 0, 0, eperm)]
    program.append((result, 0, 0, allow))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    libc, no_new_privs, set_seccomp, filter_mode = ctypes.CDLL(None), 38, 22, 2
    if libc.prctl(no_new_privs, 1, 0, 0, 0) != 0 or libc.prctl(set_seccomp, filter_mode, header) != 0:
        sys.exit("no seccomp filter could be set")


if __name__ == "__main__":
    forbid(NUMBERS[os.uname().machine])
    os.execvp(sys.argv[1], sys.argv[1:])
