#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# All shell scripts without a warning. Exit 0 passed, 1 failed, 77 skipped because there is no shellcheck.
set -euo pipefail
cd "$(dirname -- "$(readlink -f -- "$0")")/../.."
command -v shellcheck >/dev/null || { echo "SKIPPED: no shellcheck (sudo apt-get install shellcheck)"; exit 77; }
shellcheck --external-sources bulkhead .ci/run partitions/infotainment/init tests/bootstrap/*.sh
