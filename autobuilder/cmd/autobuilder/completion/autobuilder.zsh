#compdef autobuilder
# Completion of autobuilder for zsh. It asks autobuilder itself, which then reads
# autobuilder.yml and contacts nothing. Load it with: source <(autobuilder completion zsh)
_autobuilder() {
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
  _autobuilder "$@"
else
  compdef _autobuilder autobuilder
fi
