#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Judges the committed schemas with Python's validator and YAML reader: a second opinion, independent of the first.
# Exit 0 passed, 1 failed, 77 skipped because this machine has no Python, or not both packages.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if ! python3 -c 'import jsonschema, yaml; jsonschema.Draft202012Validator' 2>/dev/null; then
    echo "SKIPPED: no python3 with jsonschema and PyYAML (sudo apt-get install python3-jsonschema python3-yaml)"
    exit 77
fi
exec python3 "$here/validate.py" "$here/../.."
