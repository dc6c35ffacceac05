# shellcheck shell=bash
# Completion of autobuilder for bash. It asks autobuilder itself, which then reads
# autobuilder.yml and contacts nothing. Load it with: source <(autobuilder completion bash)
_autobuilder() {
  local words typed answer line begin='' char
  read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
  [[ ${COMP_LINE:0:COMP_POINT} != *[[:space:]] ]] || words+=('')
  typed=${words[-1]}
  # Of the word, bash replaces only what follows the last of these characters.
  for char in = : @; do
    if [[ $COMP_WORDBREAKS == *"$char"* && $typed == *"$char"* ]]; then
      line=${typed%"${typed##*"$char"}"}
      ((${#line} <= ${#begin})) || begin=$line
    fi
  done
  COMPREPLY=()
  answer=$("${words[0]/#\~/$HOME}" complete -- "${words[@]:1}" 2>/dev/null) || return 0
  while IFS= read -r line; do
    case $line in
      :files) compopt -o default ;;
      '') ;;
      *) line=${line%%$'\t'*} && COMPREPLY+=("${line#"$begin"}") ;;
    esac
  done <<<"$answer"
}
complete -F _autobuilder autobuilder
