# Completions of kalshiauth for bash 3.2 and later. They need no other package.
_kalshiauth() {
  local cur=${COMP_WORDS[COMP_CWORD]} line
  local -a request=("${COMP_WORDS[@]:0:COMP_CWORD}")
  request[0]=${request[0]/#\~/$HOME}
  if [[ $cur == -* ]]; then
    request+=("$cur")
  fi
  COMPREPLY=()
  while IFS= read -r line; do
    line=${line%%:*}
    if [[ -n $line && $line == "$cur"* ]]; then
      COMPREPLY+=("$line")
    fi
  done < <("${request[@]}" --generate-shell-completion 2>/dev/null)
}
complete -o bashdefault -o default -F _kalshiauth kalshiauth
