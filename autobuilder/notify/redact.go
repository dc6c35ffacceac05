package notify

import (
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

const redacted = "[secret]"

// shortest is the length from which on a value is a secret: to hide shorter ones
// would hide words.
const shortest = 6

// Redactor takes secrets out of texts by their value, wherever they came from: a
// console, a commit's message, an error.
type Redactor struct{ values *strings.Replacer }

// NewRedactor makes one that knows these secrets.
func NewRedactor(secrets []string) Redactor {
	var pairs []string
	for _, secret := range slices.Backward(slices.SortedFunc(slices.Values(secrets), byLength)) { // one may contain another
		for _, form := range forms(secret) {
			pairs = append(pairs, form, redacted)
		}
	}
	return Redactor{strings.NewReplacer(pairs...)}
}

func byLength(a, b string) int { return len(a) - len(b) }

// forms are each line of the secret, since a key of several is not printed in one
// piece, also as it stands in an address.
func forms(secret string) []string {
	var found []string
	for line := range strings.Lines(secret) {
		if line = strings.TrimSpace(line); len(line) < shortest {
			continue
		}
		for _, form := range []string{line, url.QueryEscape(line), url.PathEscape(line)} {
			if !slices.Contains(found, form) {
				found = append(found, form)
			}
		}
	}
	return found
}

// message redacts every text in it, whatever is added to it one day. What the
// place called the thread is its own.
func (r Redactor) message(m *Message) {
	ref := m.Ref
	r.walk(reflect.ValueOf(m))
	m.Ref = ref
}

func (r Redactor) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			r.walk(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			r.walk(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			r.walk(v.Index(i))
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString(r.Text(v.String()))
		}
	}
}

// Text is the text without the secrets.
func (r Redactor) Text(text string) string { return r.values.Replace(text) }

// controls are the sequences that colour a terminal, and what else does not show.
var controls = regexp.MustCompile("\x1b\\[[0-9;?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|[\x00-\x08\x0b-\x1f\x7f]")
