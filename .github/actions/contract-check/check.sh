#!/usr/bin/env bash
# Runs the contract checks for action.yml, which has built the command. The inputs come from the environment.
set -uo pipefail
# The format github writes annotations to standard output, and a report to the summary of the job.
args=(contract -format github -authorization="$AUTHORIZATION")
if [ -n "$BASE_URL" ]; then
  args+=(-base-url "$BASE_URL")
fi
if [ -n "$RESET_CODE_CMD" ]; then
  args+=(-reset-code-cmd "$RESET_CODE_CMD")
fi
"$RUNNER_TEMP/kalshiauth" "${args[@]}"
code=$?
case $code in
0) result=holds ;;
1) result=broken ;;
*)
  result=could-not-run
  echo '::error title=Contract check::The checks could not run; the log says why.'
  ;;
esac
echo "result=$result" >>"$GITHUB_OUTPUT"
exit $code
