#!/usr/bin/env bash
# prom-client 15.1.3: `reset()` forgets the values of a metric with labels, and sets one without labels to 0.
#
# A gauge that is filled anew at each scrape (reset, then set what is known) so says nothing where nothing is
# known, if it has labels; without labels it says 0: "0 bytes free", "0 seconds until the certificate ends".
# The same registry then writes `name 0` in the text format and in OpenMetrics. A gauge that has a label name
# which is never set behaves like one with labels, and its series has no labels.
#
# Seen:
#   without labels: disk_free_bytes 0
#   with a label name: (no series)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --save-exact prom-client@15.1.3 >/dev/null 2>&1
cat > gauges.mjs <<'JS'
import { Gauge, Registry } from 'prom-client'

for (const [how, labelNames] of [
  ['without labels', []],
  ['with a label name', ['unused']],
]) {
  const registry = new Registry()
  const gauge = new Gauge({ name: 'disk_free_bytes', help: 'h', labelNames, registers: [registry] })
  gauge.set(5)
  gauge.reset()
  const series = (await registry.metrics()).split('\n').filter((line) => /^disk/.test(line))
  console.log(`${how}: ${series.join(' ') || '(no series)'}`)
}
JS
node gauges.mjs | tee seen
diff seen - <<'END'
without labels: disk_free_bytes 0
with a label name: (no series)
END
echo 'as stated'
