#!/usr/bin/env bash
# Parses the Terraform and Bicep files that customers get, for tenants with different vaults.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/node_modules/.bin:$PATH" # Node 26, whatever the machine has
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
node scripts/onboarding-files.ts "$folder"
scripts/check-templates.sh "$folder"/*
