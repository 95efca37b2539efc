#!/usr/bin/env python3
"""Random templates rendered by Weft and by jinja2, set up as transformers does. No text may differ: for each template
either both write the same, or Weft refuses; and where jinja2 fails, Weft fails.

  jinja_differential_test.py DRIVER [--seed N] [--count N] [--refusals]

DRIVER is the built jinja_driver; WEFT_PYTHON names a Python that has jinja2. --refusals prints what Weft refuses although jinja2 renders it, by kind.
"""
import argparse
import collections
import datetime
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), *[os.pardir] * 3, "e2e"))
import weft
weft.use_weft_python()

import jinja2
import jinja2.ext
import jinja2.sandbox

import jinja_templates

# Weft may say no to at most this share of what jinja2 renders.
MAX_REFUSED = 0.02


def environment():
    """As transformers.utils.chat_template_utils sets it up: what it adds and overrides, in our words."""
    class Generation(jinja2.ext.Extension):
        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return jinja2.nodes.CallBlock(self.call_method("_write"), [], [], body).set_lineno(line)

        def _write(self, caller):
            return caller()

    class DictFunction:
        def __call__(self, *args, **kwargs):
            return dict(*args, **kwargs)

        def fromkeys(self, *args, **kwargs):
            return dict.fromkeys(*args, **kwargs)

    class Namespace(jinja2.utils.Namespace):
        def __init__(*args, **kwargs):  # `self` may be the name of an attribute
            attributes = dict(*args[1:], **kwargs)
            for name in attributes:
                Namespace.check(name)
            jinja2.utils.Namespace.__init__(args[0], attributes)

        def __setitem__(self, name, value):
            Namespace.check(name)
            jinja2.utils.Namespace.__setitem__(self, name, value)

        @staticmethod
        def check(name):
            if isinstance(name, str) and name.startswith("_"):
                raise jinja2.exceptions.SecurityError(name)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    def unknown(*args, **kwargs):
        raise jinja2.exceptions.TemplateRuntimeError("not known")

    env.filters["tojson"] = to_json
    # jinja2 refuses most unknown names when it compiles; Weft, as chats need it, when they are reached.
    env.filters["nofilter"] = env.tests["notest"] = unknown
    env.globals.update(raise_exception=raise_exception, dict=DictFunction(), namespace=Namespace,
                       strftime_now=lambda form: datetime.datetime.now().strftime(form))
    return env


def rendered(env, template, variables):
    """What jinja2 writes, or None where it fails."""
    signal.alarm(2)  # jinja2 has no bound of its own
    try:
        text = env.from_string(template).render(**variables)
        text.encode()
        return text
    except Exception:  # whatever Python raises, the chat is refused
        return None
    finally:
        signal.alarm(0)


def out_of_time(*_):
    raise TimeoutError


def kind(error):
    return re.sub(r"^chat template, line \d+: |'[^']*'|\d+", "", error)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("driver")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--refusals", action="store_true")
    args = parser.parse_args()

    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    signal.signal(signal.SIGALRM, out_of_time)
    warnings.simplefilter("ignore", SyntaxWarning)  # of the Python that jinja2 makes of wrong templates
    env = environment()
    maker = jinja_templates.Maker(random.Random(args.seed))
    requests = [maker.template() for _ in range(args.count)]
    lines = "".join(json.dumps({"template": t, "variables": v}) + "\n" for t, v in requests)
    answers = subprocess.run([args.driver], input=lines, capture_output=True, text=True, check=True).stdout.split("\n")
    refused, examples, differ, texts = collections.Counter(), {}, 0, 0
    for (template, variables), line in zip(requests, answers):
        answer, want = json.loads(line), rendered(env, template, variables)
        if want is not None and " at 0x" in want.lower():
            want = None  # the address of an object in memory
        texts += want is not None
        if "error" in answer:
            if want is not None:
                refused[kind(answer["error"])] += 1
                examples[kind(answer["error"])] = template
        elif want != answer["output"]:
            differ += 1
            if differ <= 20:
                print(f"template {template!r}\nvariables {variables!r}\njinja2 {want!r}\nWeft   {answer['output']!r}\n")
    print(f"seed {args.seed}: {len(requests)} templates, {texts} texts; {differ} differ, {sum(refused.values())} refused")
    if args.refusals:
        for reason, n in refused.most_common(60):
            print(f"  {n:6} {reason}, for example {examples[reason]!r}")
    assert len(answers) == len(requests) + 1, "the driver stopped"
    assert texts > len(requests) / 4, "too few templates that jinja2 renders"
    sys.exit(differ > 0 or sum(refused.values()) > MAX_REFUSED * texts)


if __name__ == "__main__":
    main()
