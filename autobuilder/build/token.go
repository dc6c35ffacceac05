package build

import "slices"

// Scope is what the bearer of a token may do by the API.
type Scope string

// The scopes.
const (
	ScopeRead    Scope = "read"
	ScopeDeploy  Scope = "deploy"  // tell of rollouts
	ScopeApprove Scope = "approve" // approve, reject and tick
	ScopeTrigger Scope = "trigger" // ask for builds
	ScopeChat    Scope = "chat"    // bring what people say in rooms
)

// Valid says whether there is such a scope.
func (s Scope) Valid() bool {
	return slices.Contains([]Scope{ScopeRead, ScopeDeploy, ScopeApprove, ScopeTrigger, ScopeChat}, s)
}

// Token is what somebody proves themselves with.
type Token struct {
	Name   string
	Scopes []Scope
	Secret []byte
}

// May says whether the token has the scope.
func (t Token) May(scope Scope) bool { return slices.Contains(t.Scopes, scope) }
