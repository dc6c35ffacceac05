package remote

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The scripts that run on a server before there is a helper. They are POSIX
// sh, on one line and without single quotes, backslashes and exclamation marks, so
// that they pass through any login shell (csh and fish too) unharmed.
//
// All get: $1 what follows the home directory in the root, $2 the helper's
// file name. $r is the root. What a script says is the last thing it does: this
// side may hang up on it then.

// script is one of them, and what it gets more.
type script struct {
	body  string
	words []string
}

func (b Binary) trying() script {
	return script{tryingScript, []string{brief(b.BLAKE2b), brief(b.SHA256)}}
}
func (b Binary) starting() script { return script{body: startingScript} }
func (b Binary) proving() script {
	return script{provingScript, []string{quote(b.SHA256), strconv.FormatInt(b.Size, 10)}}
}

func (b Binary) installing(how string) script {
	return script{installingScript, []string{quote(b.SHA256), strconv.FormatInt(b.Size, 10), how}}
}

// brief is as much of a digest as shows that a file is another one: 128 bits.
func brief(digest string) string {
	if len(digest) < 32 {
		return "none"
	}
	return digest[:32]
}

// mark starts each line that is meant for this side; a login shell's start
// files may print others before it.
const mark = "deliver-far-side:"

// wholeFunction tells whether a file is the helper: by its digest, where the
// system can compute one, else by its size. SSH itself protects the bytes on
// their way; what this finds is a file that was cut short or damaged later. It
// gets the file, the SHA-256 and the size.
const wholeFunction = `whole() { ` +
	`if command -v sha256sum >/dev/null 2>&1; then s=$(sha256sum <"$1"); ` +
	`elif command -v shasum >/dev/null 2>&1; then s=$(shasum -a 256 <"$1"); ` +
	`else s=; [ $(wc -c <"$1") -eq $3 ] && s=$2; fi; ` +
	`case "$s" in "$2"*) return 0;; esac; return 1; }; `

// tryingScript starts the helper when it is there and whole, as it is in most
// first sessions of a connection; it is short, since it is sent each time. b2sum
// takes half the time of sha256sum, and busybox has none. $3 and $4 are how the
// digests begin.
const tryingScript = `b="$r/.deliver/bin/$2"; [ -x "$b" ] && for t in b2sum sha256sum; do case $($t <"$b" 2>/dev/null) in ` +
	`"$3"*|"$4"*) echo "` + mark + ` ready"; exec "$b" host;; esac; done; echo "` + mark + ` unsure"`

// provingScript starts the helper when it is there, whole and may be run; else
// it says what is the matter. It is for where tryingScript does not help. $3 is
// the SHA-256, $4 the size.
const provingScript = wholeFunction +
	`b="$r/.deliver/bin/$2"; ` +
	`if [ -f "$b" ] && whole "$b" "$3" "$4"; then ` +
	`if [ -x "$b" ]; then echo "` + mark + ` ready"; exec "$b" host; fi; ` +
	`echo "` + mark + ` not-executable $b"; exit 0; fi; ` +
	`g=plain; command -v gzip >/dev/null 2>&1 && g=gzip; ` +
	`echo "` + mark + ` missing $(uname -s) $(uname -m) $g"; exit 0`

// startingScript starts a helper that this connection has seen before.
const startingScript = `echo "` + mark + ` ready"; exec "$r/.deliver/bin/$2" host`

// installingScript takes the helper from its input. $3 is the SHA-256, $4 the
// size, $5 gzip or plain. A broken connection ends the input early; then the
// check fails and nothing is left behind. Of older helpers the two newest stay,
// for other versions of deliver that deliver here.
const installingScript = wholeFunction +
	`umask 022; d="$r/.deliver/bin"; t="$d/.new-$2-$$"; ` +
	`mkdir -p "$d" || exit 1; ` +
	`if [ "$5" = gzip ]; then gzip -dc >"$t"; else cat >"$t"; fi || { rm -f "$t"; exit 1; }; ` +
	`whole "$t" "$3" "$4" || { rm -f "$t"; echo "` + mark + ` damaged"; exit 0; }; ` +
	`chmod 755 "$t" && { sync "$t" 2>/dev/null || :; } && mv -f "$t" "$d/$2" || { rm -f "$t"; exit 1; }; ` +
	`n=0; m=0; ls -At "$d" | while read -r f; do case "$f" in ` +
	`"$2") ;; deliver-*) n=$((n+1)); if [ $n -gt 2 ]; then rm -f "$d/$f"; fi;; ` +
	`.new-*) m=$((m+1)); if [ $m -gt 8 ]; then rm -f "$d/$f"; fi;; esac; done; ` +
	`echo "` + mark + ` installed"`

// command is what the login shell gets, to run a script for the helper in a root.
func (s script) command(root string, b Binary) (string, error) {
	home, rest, err := splitRoot(root)
	if err != nil {
		return "", err
	}
	setRoot := `r=$1; `
	if home != "" {
		setRoot = `h=` + home + `; case "$h" in /*) ;; *) echo "` + mark + ` no-home ` + home + `"; exit 0;; esac; r="$h$1"; `
	}
	words := []string{"sh", "-c", quote(setRoot + s.body), "sh", quote(rest), b.name()}
	return strings.Join(append(words, s.words...), " "), nil
}

// splitRoot takes off the tilde, which the far side's shell expands.
func splitRoot(root string) (home, rest string, err error) {
	if root == "" || strings.ContainsAny(root, "\n\r\x00") {
		return "", "", fmt.Errorf("%q is no directory's name", root)
	}
	if !strings.HasPrefix(root, "~") {
		return "", root, nil
	}
	home, rest, found := strings.Cut(root, "/")
	if found {
		rest = "/" + rest
	}
	if !regexp.MustCompile(`^~([A-Za-z0-9_][A-Za-z0-9_.-]*)?$`).MatchString(home) {
		return "", "", fmt.Errorf("%q: %s is no user's home directory", root, home)
	}
	return home, rest, nil
}

// quote makes s one word for any shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
