// Package signin says who looks at the page: somebody whom GitHub knows, whom a
// reverse proxy names, or who has a token.
package signin

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"autobuilder/build"
)

// Person is somebody who has signed in, and what they may do.
type Person struct {
	Name   string
	Scopes []build.Scope
	Via    string // github, proxy or token
}

// The ways to sign in.
const (
	ViaGitHub = "github"
	ViaProxy  = "proxy"
	ViaToken  = "token"
)

// May says whether the person has the scope.
func (p Person) May(scope build.Scope) bool { return slices.Contains(p.Scopes, scope) }

// Options say which ways to sign in there are.
type Options struct {
	URL     string        // of the page, where people reach it
	Key     []byte        // signs the sessions
	Session time.Duration // how long one lasts
	Private bool          // who has not signed in sees nothing
	Tokens  func() []build.Token
	Proxy   Proxy
	GitHub  GitHub
}

// Proxy is a reverse proxy that has people sign in, and says who they are.
type Proxy struct {
	Header string         // empty: there is none
	From   []netip.Prefix // its addresses; the header of others means nothing
}

// Desk knows who people are.
type Desk struct {
	Options
	secure bool
}

// New makes a Desk.
func New(o Options) *Desk {
	if o.Session == 0 {
		o.Session = 12 * time.Hour
	}
	o.URL = strings.TrimRight(o.URL, "/")
	return &Desk{Options: o, secure: strings.HasPrefix(o.URL, "https://")}
}

// HasGitHub says whether people can sign in by GitHub.
func (d *Desk) HasGitHub() bool { return d.GitHub.given() }

// HasTokens says whether there are tokens that people can sign in with: those of
// machines are none.
func (d *Desk) HasTokens() bool {
	return slices.ContainsFunc(d.Tokens(), func(t build.Token) bool {
		return t.May(build.ScopeApprove) || t.May(build.ScopeTrigger) || t.May(build.ScopeRead)
	})
}

// everything is what a person may do who is somebody's.
func everything() []build.Scope {
	return []build.Scope{build.ScopeRead, build.ScopeApprove, build.ScopeTrigger}
}

// Who finds who sent the request, by its token, its proxy or its session.
func (d *Desk) Who(r *http.Request) (Person, bool) {
	if scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		token, ok := d.token(strings.TrimSpace(given))
		return person(token), ok
	}
	if name := d.Proxy.names(r); name != "" {
		return Person{Name: name, Scopes: everything(), Via: ViaProxy}, true
	}
	return d.session(r)
}

func person(token build.Token) Person {
	return Person{Name: token.Name, Scopes: token.Scopes, Via: ViaToken}
}

// names is whom the proxy names; of a request that did not come from it, nobody.
func (p Proxy) names(r *http.Request) string {
	if p.Header == "" {
		return ""
	}
	given := r.Header.Values(p.Header)
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || len(given) != 1 {
		return ""
	}
	address, err := netip.ParseAddr(host)
	if err != nil || !slices.ContainsFunc(p.From, func(from netip.Prefix) bool { return from.Contains(address.Unmap()) }) {
		return ""
	}
	return strings.TrimSpace(given[0])
}

// token finds the token that was given. All are compared, each in a time that
// tells nothing of it.
func (d *Desk) token(given string) (found build.Token, ok bool) {
	if given == "" {
		return found, false
	}
	sum := sha256.Sum256([]byte(given))
	for _, token := range d.Tokens() {
		own := sha256.Sum256(token.Secret)
		if subtle.ConstantTimeCompare(sum[:], own[:]) == 1 {
			found, ok = token, true
		}
	}
	return found, ok
}

// fingerprint tells whether a token is still the one that a session began with.
func fingerprint(token build.Token) string {
	sum := sha256.Sum256(append([]byte("session of "), token.Secret...))
	return hex.EncodeToString(sum[:8])
}
