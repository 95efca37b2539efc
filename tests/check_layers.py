#!/usr/bin/env python3
"""Checks that #include lines follow the layers (docs/architecture.md): dependencies point one way. And that nobody outside parallel/
asks how many ranks compute, or which this one is.

  check_layers.py [ROOT]        prints each violation, exit code 1 if there is one
  check_layers.py --self-test   a tree with one violation of each rule must give exactly those
"""
import os
import re
import sys
import tempfile

# From the bottom up. A folder may include itself and every folder of an earlier line; folders of one line are siblings
# that do not know each other.
LAYERS = [
    ["kernels/core"],
    ["kernels/quant"],
    ["kernels/matrix"],
    ["kernels/"],  # every op's own folder; ops do not know each other
    ["kernels/cases"],
    ["parallel"],
    ["runtime/text"],
    ["runtime/weights"],
    ["runtime/layers"],
    ["runtime/models"],
    ["runtime/engine"],
    ["runtime/serve"],
    ["launcher"],
]

# (what is included, the only files that may, how it is said). Patterns are searched in the include and the path.
RESTRICTED = [
    (r"\.pb\.h$|^proto/", r"^(runtime/serve|launcher)/", "proto belongs to runtime/serve and launcher"),
    (r"^(grpc|grpcpp|grpc\+\+)/", r"^(runtime/serve|launcher)/", "gRPC belongs to runtime/serve and launcher"),
    (r"^(cuda|cublas|nvrtc|cooperative_groups|nvtx)", r"(_cuda\.\w+$|\.cu$|^kernels/cuda/)",
     "CUDA headers belong in *_cuda.*, *.cu and kernels/cuda"),
    (r"^(nlohmann/json\.hpp|CLI/)", r"(\.cpp|^runtime/text/chat\.h)$", "JSON and CLI11 stay out of headers, but for chats, which are JSON"),
    (r"^hwy/", r"^kernels/", "Highway belongs to kernels"),
    (r"^tests/", r"^$", "the product does not include its tests"),
]
# A rank of the mesh, or of a communicator of tensors, and how many there are. Layers say what is summed or exchanged, not with whom.
ASKS_FOR_RANKS = re.compile(r"\bmesh_?(\(\))?\.rank\b|(\b(comm|tp|ep)_?(\(\))?(\.|->)|\btensors->)(rank|size)\(\)")
MAY_ASK_FOR_RANKS = r"^(parallel/|runtime/weights/(census|loader)\.cpp$)"  # the loader reads what one rank keeps
IN_ONE_FILE = ["mpi.h", "nccl.h"]
SOURCES = (".h", ".cpp", ".cu", ".cuh")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def layer(path):
    """(level, folder) of a file, or None outside the layers."""
    for level, folders in enumerate(LAYERS):
        for folder in folders:
            if path.startswith(folder + "/"):
                return level, folder
    if re.match(r"kernels/\w+/", path):
        return LAYERS.index(["kernels/"]), "/".join(path.split("/")[:2])
    return None


def lines(root):
    """(file, line number, line) of the product's sources."""
    for top in ("kernels", "parallel", "runtime", "launcher"):
        for folder, _, files in os.walk(os.path.join(root, top)):
            for name in sorted(files):
                if name.endswith(SOURCES):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as f:
                        for number, line in enumerate(f, 1):
                            yield os.path.relpath(path, root), number, line


def direction(path, included):
    """Why `path` may not include the project's file `included`; None if it may."""
    source, target = layer(path), layer(included)
    if source is None or target is None or source[1] == target[1]:
        return None
    if target[0] < source[0]:
        return None
    return f"{source[1]} may not include {target[1]}"


def violations(root):
    found, users = [], {name: set() for name in IN_ONE_FILE}
    for path, number, line in lines(root):
        if ASKS_FOR_RANKS.search(line) and not re.search(MAY_ASK_FOR_RANKS, path):
            found.append(f"{path}:{number}: {line.strip()}: ranks are the business of parallel/")
        if not (match := INCLUDE.match(line)):
            continue
        included = match[1]
        where = f"{path}:{number}: #include {included}: "
        if reason := direction(path, included):
            found.append(where + reason)
        for what, allowed, reason in RESTRICTED:
            if re.search(what, included) and not re.search(allowed, path):
                found.append(where + reason)
        if included in users:
            users[included].add(path)
    for name, files in users.items():
        if len(files) > 1:
            found.append(f"{name} is included by more than one file: {', '.join(sorted(files))}")
    return found


def self_test():
    good = {
        "kernels/core/a.h": ["<vector>"], "kernels/quant/a.h": ["kernels/core/a.h"],
        "kernels/moe/a.cpp": ["kernels/moe/a.h", "kernels/matrix/packed_matrix.h", "kernels/quant/a.h", "<hwy/highway.h>"],
        "kernels/cases/a.cpp": ["kernels/moe/a.h", "<hwy/highway.h>"], "parallel/a.cpp": ["kernels/moe/a.h", "<mpi.h>"], "runtime/text/a.cpp": ["nlohmann/json.hpp", "parallel/a.h"],
        "runtime/serve/a.cpp": ["proto/weft.pb.h", "<grpcpp/grpcpp.h>", "runtime/engine/a.h"],
        "launcher/a.cpp": ["runtime/serve/a.h", "kernels/core/a.h", "CLI/CLI.hpp"],
        "kernels/moe/a_cuda.cpp": ["<cuda_runtime.h>"],
    }
    bad = {
        "kernels/core/b.h": "kernels/quant/a.h", "kernels/moe/b.cpp": "kernels/linear/linear.h",
        "kernels/moe/e.cpp": "kernels/cases/op_case.h", "kernels/moe/c.cpp": "parallel/a.h", "parallel/b.h": "runtime/text/a.h", "runtime/text/b.h": "runtime/weights/a.h",
        "runtime/models/b.cpp": "runtime/engine/a.h", "runtime/engine/b.cpp": "weft/v1/weft.pb.h",
        "runtime/engine/c.cpp": "grpcpp/grpcpp.h", "runtime/serve/b.cpp": "launcher/a.h", "kernels/moe/d.cpp": "cuda_fp16.h",
        "runtime/text/c.h": "nlohmann/json.hpp", "parallel/c.cpp": "hwy/highway.h", "launcher/b.cpp": "tests/support/a.h",
        "runtime/layers/b.cpp": "mpi.h",  # the second file that includes it
    }
    asks = ["s.p.tp.size()", "if (mesh.rank == 0)", "census.mesh().rank", "ranks.tensors->rank()"]
    asks_not = ["mesh.ranks", "tensors.size()[0]", "host->rank()", "comm.host->size()"]
    with tempfile.TemporaryDirectory() as root:
        def write(tree):
            for path, names in tree.items():
                os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                    f.writelines(f"#include {n}\n" if n[0] == "<" else f'  # include "{n}"\n' for n in names)

        write(good)
        assert violations(root) == [], violations(root)
        write({path: [name] for path, name in bad.items()})
        found = violations(root)
        assert len(found) == len(bad), "\n".join(found)
        for line in asks + asks_not:
            path = os.path.join(root, "runtime/layers/c.cpp")
            with open(path, "w", encoding="utf-8") as f:
                f.write(f"  {line};\n")
            assert (len(violations(root)) > len(bad)) == (line in asks), line
        for path in bad:
            assert any(path in line for line in found), path
    print(f"{len(bad) + len(asks)} violations found, as they should be")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = violations(root)
    print("\n".join(found) or "includes follow the layers")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
