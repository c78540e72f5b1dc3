#!/usr/bin/env bash
# Checks the types of deploy/grafana's dashboards against Grafana's own schema
# (@grafana/schema), as TypeScript.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p build/npm
npm install --silent --no-audit --no-fund --no-package-lock --no-save \
  --prefix build/npm @grafana/schema@13.2.3 typescript@5.9.3 > /dev/null
for name in fleet node; do
  {
    echo 'import { type AnnotationQuery, type Dashboard, type DataQuery,'
    echo '         ThresholdsMode } from "@grafana/schema";'
    # What the schema leaves to the data source.
    echo 'type PrometheusQuery = DataQuery & { expr: string, interval: string };'
    echo 'type PrometheusAnnotation = Omit<AnnotationQuery, "target"> &'
    echo '  { titleFormat: string, target: PrometheusQuery };'
    echo 'type PrometheusDashboard = Omit<Dashboard, "annotations"> &'
    echo '  { annotations: { list: PrometheusAnnotation[] } };'
    echo 'export const dashboard: PrometheusDashboard ='
    # An enumeration is no text in TypeScript.
    sed 's/"mode": "absolute"/"mode": ThresholdsMode.Absolute/' \
      "deploy/grafana/$name.json"
    echo ';'
  } > "build/npm/$name.ts"
done
cd build/npm
node_modules/.bin/tsc --noEmit --strict --skipLibCheck --target es2022 \
  --module esnext --moduleResolution bundler fleet.ts node.ts
