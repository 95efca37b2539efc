"""What the measurement scripts share: running commands in turns, medians, and Markdown with the machine and the date."""
import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def arguments(description):
    """Flags of every script; PEERS_DIR holds llama.cpp (build-llama/bin) and the models (models/smol-TYPE.gguf)."""
    peers = os.environ.get("PEERS_DIR", "")
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--weft", default=os.path.join(SOURCE, "build", "weft"))
    parser.add_argument("--llama", default=os.path.join(peers, "build-llama", "bin"), help="folder of llama-bench and its kin")
    parser.add_argument("--models", default=os.path.join(peers, "models"), help="folder of smol-TYPE.gguf")
    parser.add_argument("--types", default="BF16,F16,Q8_0,Q4_0")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", help="Markdown file to write; default: only print")
    return parser


def model(options, kind):
    path = os.path.join(options.models, f"smol-{kind}.gguf")
    if not os.path.exists(path):
        raise SystemExit(f"{path} does not exist; set --models or PEERS_DIR")
    return path


def output_of(command, **kwargs):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=900, **kwargs)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def bench_model(options, path, *flags, ranks=0):
    """The JSON of `weft bench model`."""
    command = [options.weft, "bench", "model", "--model", path, "--json", "--log-level", "error", *flags]
    if ranks:
        command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", ranks, *command]
    return json.loads(output_of(command))


def in_turns(rounds, jobs):
    """{name: {figure: median}} of jobs {name: () -> {figure: value}}; every other round runs them in reverse."""
    results = {name: [] for name in jobs}
    for number in range(rounds):
        for name in list(jobs) if number % 2 == 0 else reversed(jobs):
            results[name].append(jobs[name]())
            print(f"round {number + 1}/{rounds}: {name}: {results[name][-1]}", flush=True)
    return {name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in results.items()}


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        info = f.read()
    fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    flags = fields.get("flags\t\t", fields.get("flags", "")).split()
    shown = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if flag in flags]
    return f"{fields.get('model name	', platform.processor()).strip()} ({', '.join(shown)})"


def where_and_when(options):
    revision = output_of(["git", "-C", SOURCE, "describe", "--always", "--dirty"]).strip()
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    rounds = f"medians of {options.rounds} alternating rounds, " if options.rounds > 1 else ""
    return (f"{datetime.date.today()}, {cpu_model()}, {os.cpu_count()} CPUs, revision {revision}, {options.threads} threads, "
            f"{rounds}load average at the end {load}.")


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def write(options, title, *parts):
    text = "\n\n".join([f"# {title}", where_and_when(options), *parts]) + "\n"
    print(text)
    if options.output:
        with open(options.output, "w", encoding="utf-8") as f:
            f.write(text)
