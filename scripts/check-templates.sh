#!/usr/bin/env bash
# Parses the Terraform (*.tf) and Bicep (*.bicep) files of folders: HashiCorp's own parser and the tree-sitter grammar of Bicep. Both also find
# names that nobody declares; for Bicep, parameters that nothing uses and wrong calls of modules too. Terraform's resources are checked against the
# members that the providers have (templates/providers.json); Bicep's are not, since that needs Microsoft's compiler.
# Usage: scripts/check-templates.sh FOLDER…
set -euo pipefail
cd "$(dirname "$0")/.."

main() {
  terraform=$PWD/node_modules/.cache/templates/check-terraform
  (cd scripts/templates && ../retry.sh go build -o "$terraform" .)
  python=$(scripts/python-venv.sh templates-python scripts/templates/requirements.txt)
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  local folder faults=0
  for folder in "$@"; do
    check "$folder" || faults=1
    finds_faults_in "$folder"
  done
  [ "$faults" = 0 ] || fail 'see above'
  echo "templates: $* valid"
}

check() {
  local checked=1
  if compgen -G "$1/*.tf" >/dev/null; then "$terraform" "$1" || return 1; checked=0; fi
  if compgen -G "$1/*.bicep" >/dev/null; then "$python" scripts/templates/check_bicep.py "$1"/*.bicep || return 1; checked=0; fi
  [ "$checked" = 0 ] || echo "$1: no template"
  return "$checked"
}

# A check that accepts everything would pass too: in copies of the files, each kind of mistake must be found.
finds_faults_in() {
  local file name
  for file in "$1"/*.tf "$1"/*.bicep; do
    [ -e "$file" ] || continue
    name=${file##*/}
    must_fail "$1" "$name" 'output "unclosed" {'
    case $name in
    *.tf)
      must_fail "$1" "$name" $'output "undeclared" {\n  value = var.nobody\n}'
      must_fail "$1" "$name" $'resource "azurerm_nothing" "wrong" {\n}'
      must_fail "$1" "$name" $'data "azurerm_key_vault" "lacking" {\n  name = "a"\n}'
      must_fail "$1" "$name" $'data "azurerm_key_vault" "more" {\n  name                = "a"\n  resource_group_name = "b"\n  nothing             = "c"\n}'
      must_fail "$1" "$name" $'data "azurerm_key_vault" "block" {\n  name                = "a"\n  resource_group_name = "b"\n  timeouts {\n    nothing = "1m"\n  }\n}'
      must_fail "$1" "$name" $'data "azurerm_key_vault" "read" {\n  name                = "a"\n  resource_group_name = "b"\n}\noutput "read" {\n  value = data.azurerm_key_vault.read.nothing\n}'
      ;;
    *)
      must_fail "$1" "$name" 'output undeclared string = nobody'
      must_fail "$1" "$name" 'param unused string'
      ;;
    esac
  done
  [ -e "$1/main.bicep" ] || return 0
  must_fail "$1" main.bicep 'output asked string = vault.outputs.nobody'
  must_fail "$1" main.bicep $'module foreign \'vault.bicep\' = {\n  name: name\n  params: { name: name, location: location, principalId: name, nobody: name }\n}'
  must_fail "$1" main.bicep $'module lacking \'vault.bicep\' = {\n  name: name\n  params: { name: name, location: location }\n}'
  must_fail "$1" main.bicep $'module absent \'nobody.bicep\' = {\n  name: name\n}'
}

must_fail() {
  rm -rf "$work/wrong"
  mkdir "$work/wrong"
  cp "$1"/*."${2##*.}" "$work/wrong"
  printf '%s\n' "$3" >>"$work/wrong/$2"
  ! check "$work/wrong" >/dev/null || fail "accepts $1/$2 with: $3"
}

fail() {
  echo "templates: $1" >&2
  exit 1
}

main "$@"
