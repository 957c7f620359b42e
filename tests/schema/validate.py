# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Valid documents of the tree are accepted, structural errors rejected. Verifies: BH-LANG-002."""

import glob
import json
import os
import sys

import yaml
from jsonschema import Draft202012Validator

ROOT = sys.argv[1]
# There is no document to judge: the reader of YAML refuses it, or the fault is on the command line.
NOT_FOR_SCHEMAS = {"document/syntax", "document/duplicate-key", "document/no-such-path"}


def textual(value):
    """JSON has textual keys only."""
    if isinstance(value, dict):
        return {str(key): textual(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [textual(inner) for inner in value]
    return value


def document(path):
    with open(path, encoding="utf-8") as file:
        return textual(yaml.safe_load(file))


def validator(name):
    with open(os.path.join(ROOT, "config/schema", name), encoding="utf-8") as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def files(pattern):
    return sorted(glob.glob(os.path.join(ROOT, pattern)))


def specs():
    folders = ("config/systems", "tests/systems", "tests/benches/systems", "tests/mutants/systems")
    return [path for folder in folders for path in files(f"{folder}/*.yaml")] + files("tests/invalid/valid*.yaml")


def main():
    names = ("spec.json", "spec.qemu-virt.json", "board.json", "fragment.json")
    spec, virt, board, fragment = map(validator, names)
    wrong, accepted, rejected = [], 0, 0
    for path in specs():
        found = document(path)
        own = f"spec.{found['board']}.json"
        judges = [spec] if "/" in own else [spec, validator(own)]
        for judge in judges:
            wrong += [f"{path}: {error.message}" for error in judge.iter_errors(found)]
        accepted += 1
    for path in files("tests/systems/every-key/*.yaml") + files("tests/invalid/fragments/[be]*.yaml"):
        wrong += [f"{path}: {error.message}" for error in fragment.iter_errors(document(path))]
        accepted += 1
    for path in files("config/boards/*.yaml") + files("tests/*/boards/virt-*.yaml"):
        wrong += [f"{path}: {error.message}" for error in board.iter_errors(document(path))]
        accepted += 1
    for path in files("tests/invalid/document.*.yaml"):
        with open(path, encoding="utf-8") as file:
            rule = file.readline().removeprefix("# ").split()[0]
        if rule in NOT_FOR_SCHEMAS:
            continue
        found = document(path)
        name = str(found.get("board"))
        if "include" in found:
            bad = not fragment.is_valid(document(os.path.join(ROOT, "tests/invalid", found["include"][0])))
        elif name.endswith(".yaml"):
            bad = not board.is_valid(document(os.path.join(ROOT, "tests/invalid", name)))
        else:
            bad = not spec.is_valid(found) and not virt.is_valid(found)
        if not bad:
            wrong.append(f"{path}: accepted")
        rejected += 1
    print("\n".join(wrong) or f"{accepted} documents accepted, {rejected} rejected")
    return 1 if wrong or accepted < 60 or rejected < 9 else 0


sys.exit(main())
