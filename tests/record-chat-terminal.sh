#!/usr/bin/env bash
# Records portable chat on a terminal: bundled tiny model, a template of the usual kind, a tmux of 40 and of 120 columns. Prints the
# captured panes as text (docs/measurements/2026-11-26-chat-terminal.md is one such recording). Needs tmux and a built tool:
#   dotnet build -c Release && tests/record-chat-terminal.sh [COMMAND...]
# COMMAND starts the tool (default: the built one).
set -uo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
[ $# -gt 0 ] || set -- dotnet "$here/src/Portable.Cli/bin/Release/net10.0/Portable.Cli.dll"
command -v tmux >/dev/null || { echo "tmux is needed" >&2; exit 1; }
work=$(mktemp -d) socket=portable-record-$$
trap 'tmux -L $socket kill-server 2>/dev/null; rm -rf "$work"' EXIT
tmux() { command tmux -L "$socket" "$@"; }
export LC_ALL=C.UTF-8
session= sessions=0

# Quantized, a seeded text is the same on every machine.
"$@" quantize "$here/src/Portable.Cli/demo/tiny-llama" --method rtn --scheme W8A8KV8 --output "$work/model" >/dev/null 2>&1 || { echo "no model: is the tool built?" >&2; exit 1; }
cat > "$work/model/chat_template.jinja" <<'TEMPLATE'
{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</s>
{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}
TEMPLATE
echo '{"bos_token": "<s>", "eos_token": "</s>"}' > "$work/model/tokenizer_config.json"

# The three bytes of 日 are tokens of their own: biases and a penalty for each use make the model write it again and again.
byte() { "$@" tokenize "$work/model" --text 日 --json | grep -oE '[0-9]+' | tail -n 3; }
mapfile -t bytes < <(byte "$@")
wide="--temperature 0 --tokens 600 --logit-bias ${bytes[0]}=100000 --logit-bias ${bytes[1]}=99700 --logit-bias ${bytes[2]}=99400 --frequency-penalty 1000"

# Waits until the pane shows a text, at most 60 s.
shows() { for _ in $(seq 300); do tmux capture-pane -p -t "$session" | grep -qF -- "$1" && return; sleep 0.2; done; echo "the pane never showed: $1" >&2; exit 1; }
pane() { printf '\n### %s\n\n```text\n' "$1"; tmux capture-pane -p -t "$session" | sed -e 's/[[:space:]]*$//' | cat -s | sed -e '${/^$/d}'; printf '```\n'; }
key() { tmux send-keys -t "$session" "$@"; }
line() { key -l -- "$1"; key Enter; }
# Waits until a prompt stands alone in the last line that is not empty.
ready() { for _ in $(seq 300); do [ "$(tmux capture-pane -p -t "$session" | sed '/^[[:space:]]*$/d' | tail -n 1 | tr -d ' ')" = '>' ] && return; sleep 0.2; done; echo "no prompt" >&2; exit 1; }
start() { # columns, options
  session=chat$((++sessions))
  tmux new-session -d -s "$session" -x "$1" -y 24 "env TERM=screen-256color $tool chat $work/model $2; echo \"exit code \$?\"; sleep 600"
  ready
}
tool="$*"

# Without its end token (2) an answer goes on until it is ended.
for columns in 40 120; do
  start $columns "--temperature 0.8 --top-p 0.95 --seed 3 --logit-bias 2=-1000"
  line 'Who keeps the lighthouse? 日本語 é 😀'
  shows featuring; pane "$columns columns: while an answer streams"
  key C-c; ready
  pane "$columns columns: Ctrl-C ended the answer, not the program"
  line '/system Be brief.'; ready
  printf '/exit\nis pasted, with this line, and no command\n' | tmux load-buffer -; tmux paste-buffer -p -t "$session"; key Enter
  sleep 2; key C-c; ready
  line '/nonsense'; shows 'there is no'; ready
  pane "$columns columns: pasted lines are one message; a command that there is not"
done

start 40 "$wide"
line 'Wide characters, please.'; shows 日日日日日日
pane "40 columns: wide characters as they stream"
tmux resize-window -t "$session" -x 120; ready
pane "resized to 120 columns while it streams"
tmux resize-window -t "$session" -x 40; line 'Again.'; shows '> Again.'; sleep 0.3; key C-c; ready
pane "resized to 40 columns, answered again, Ctrl-C"
key C-c; shows "again ends"; key C-c; shows "exit code"
pane "Ctrl-C twice at the prompt"
start 12 "--temperature 0.8 --seed 3 --tokens 20"
line 'Twelve columns.'; ready
pane "12 columns"
key C-d; shows "exit code"
pane "Ctrl-D"
