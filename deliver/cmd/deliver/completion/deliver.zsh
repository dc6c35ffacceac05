#compdef deliver
# Completion of deliver for zsh. It asks deliver itself, which then runs no
# config and contacts nothing. Load it with: source <(deliver completion zsh)
_deliver() {
  local -a answer values shown
  local line
  answer=("${(@f)$(${~words[1]} complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  for line in "$answer[@]"; do
    case $line in
      :files)
        compset -P '*='
        _files
        return
        ;;
      ?*)
        values+=("${line%%$'\t'*}")
        shown+=("${line/$'\t'/  -- }")
        ;;
    esac
  done
  (( $#values )) && compadd -l -d shown -a values
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _deliver "$@"
else
  compdef _deliver deliver
fi
