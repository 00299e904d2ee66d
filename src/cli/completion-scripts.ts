// SPDX-License-Identifier: Apache-2.0

/** What can stand after a verb: its parts, its options. */
export type Completable = { readonly name: string; readonly summary: string; readonly words: readonly string[] };

const bash = (verbs: readonly Completable[]): string => `# bash completion for countersign
_countersign() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words=''
  if [ "$COMP_CWORD" -eq 1 ]; then
    words='${['help', ...verbs.map(({ name }) => name)].join(' ')}'
  else
    case "\${COMP_WORDS[1]}" in
${verbs.map(({ name, words }) => `      ${name}) words='${words.join(' ')}' ;;`).join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _countersign countersign
`;

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

const zsh = (verbs: readonly Completable[]): string => `#compdef countersign
# zsh completion for countersign
_countersign() {
  local -a verbs
  verbs=(
    'help:list the verbs, or explain one'
${verbs.map(({ name, summary }) => `    ${quote(`${name}:${summary}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe 'verb' verbs
    return
  fi
  case "$words[2]" in
${verbs.map(({ name, words }) => `    ${name}) compadd -- ${words.join(' ')} ;;`).join('\n')}
  esac
  _files
}
compdef _countersign countersign
`;

const fish = (verbs: readonly Completable[]): string =>
  `# fish completion for countersign
complete -c countersign -n __fish_use_subcommand -f -a help -d 'list the verbs, or explain one'
${verbs
  .flatMap(({ name, summary, words }) => [
    `complete -c countersign -n __fish_use_subcommand -f -a ${name} -d ${quote(summary)}`,
    ...words.map((word) =>
      word.startsWith('--')
        ? `complete -c countersign -n '__fish_seen_subcommand_from ${name}' -l ${word.slice(2)}`
        : `complete -c countersign -n '__fish_seen_subcommand_from ${name}' -a ${word}`,
    ),
  ])
  .join('\n')}
`;

/** The script of each shell, made from the verbs there are. */
export const completionScripts = { bash, zsh, fish } as const;
export type Shell = keyof typeof completionScripts;
