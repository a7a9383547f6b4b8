#!/usr/bin/env bash
# Runs the contract checks for action.yml, which has built the command. The inputs come from the environment.
set -uo pipefail

# The format github writes annotations to standard output, and a table to the summary of the job.
args=(contract run -report github -report "html=$REPORT")

# flag NAME VALUE adds a flag if there is a value.
flag() {
  if [ -n "$2" ]; then
    args+=("-$1=$2")
  fi
}

# list NAME VALUE adds a flag for each line of a value that is not empty.
list() {
  local line
  while IFS= read -r line; do
    flag "$1" "$line"
  done <<<"$2"
}

# switch NAME VALUE adds a flag without a value. Any other value than true and false is an error.
switch() {
  case $2 in
  true) args+=("-$1") ;;
  false | '') ;;
  *)
    echo "::error title=Contract check::The input $1 is neither true nor false."
    finish 2
    ;;
  esac
}

# finish CODE writes the outputs and exits.
finish() {
  local result
  case $1 in
  0) result=holds ;;
  1) result=broken ;;
  *)
    result=could-not-run
    echo '::error title=Contract check::The checks could not run; the log says why.'
    ;;
  esac
  echo "result=$result" >>"$GITHUB_OUTPUT"
  if [ -s "$REPORT" ]; then
    echo "report=$REPORT" >>"$GITHUB_OUTPUT"
  fi
  exit "$1"
}

# A report of an earlier step must not pass for one of this step.
rm -f "$REPORT"

if [ "$FAKE" = true ]; then
  flag base-url "$BASE_URL"
else
  args+=("-base-url=$BASE_URL") # also without a value, so that the command says so and fails
fi
switch fake "$FAKE"
switch strict "$STRICT"
switch insecure-http "$INSECURE_HTTP"
flag wait "$WAIT"
flag timeout "$TIMEOUT"
flag min-coverage "$MIN_COVERAGE"
flag document "$DOCUMENT"
flag cacert "$CACERT"
flag other-email "$OTHER_EMAIL"
flag reset-code-cmd "$RESET_CODE_CMD"
list only "$ONLY"
list skip "$SKIP"
list scheme "$SCHEME"
"$RUNNER_TEMP/kalshiauth" "${args[@]}"
finish $?
