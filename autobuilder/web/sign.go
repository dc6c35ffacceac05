package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"autobuilder/build"
	"autobuilder/signin"
)

// maxMessage bounds the body of an action.
const maxMessage = 1 << 20

// actor is a handler of what somebody does who may do it.
type actor func(w http.ResponseWriter, r *http.Request, by string)

// acts lets only those do it who have the scope.
func (s *server) acts(scope build.Scope, do actor) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		person, ok := s.Desk().Who(r)
		switch {
		case !ok && isAPI(r):
			w.Header().Set("WWW-Authenticate", `Bearer realm="autobuilder"`)
			s.fail(w, r, http.StatusUnauthorized, "this needs a token: Authorization: Bearer TOKEN")
		case !ok:
			http.Redirect(w, r, signInAddress(r.Header.Get("Referer")), http.StatusSeeOther)
		case !person.May(scope) && person.Via == signin.ViaToken:
			s.fail(w, r, http.StatusForbidden, "the token "+person.Name+" lacks the scope "+string(scope))
		case !person.May(scope):
			s.fail(w, r, http.StatusForbidden, person.Name+" may not do this")
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxMessage)
			do(w, r, person.Name)
		}
	}
}

func isAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }

// readers lets everybody read, or only those who have signed in.
func (s *server) readers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		desk := s.Desk()
		person, ok := desk.Who(r)
		look := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case !look || !desk.Private || ok && (person.May(build.ScopeRead) || person.May(build.ScopeApprove)):
			next.ServeHTTP(w, r)
		case isAPI(r) || ok:
			w.Header().Set("WWW-Authenticate", `Bearer realm="autobuilder"`)
			s.fail(w, r, http.StatusUnauthorized, "this needs a token with the scope read: Authorization: Bearer TOKEN")
		default:
			http.Redirect(w, r, signInAddress(r.URL.RequestURI()), http.StatusSeeOther)
		}
	})
}

// signInAddress is the page to sign in at, which leads back to another.
func signInAddress(back string) string {
	if u, err := url.Parse(back); err == nil && u.Host != "" {
		back = u.RequestURI()
	}
	return "/sign-in?" + url.Values{"back": {signin.LocalPath(back)}}.Encode()
}

// door is what the page to sign in at shows.
type door struct {
	Back   string
	GitHub bool
	Tokens bool
	Wrong  string
}

func (s *server) signInPage(w http.ResponseWriter, r *http.Request) {
	s.showDoor(w, r, http.StatusOK, "", r.URL.Query().Get("back"))
}

func (s *server) showDoor(w http.ResponseWriter, r *http.Request, status int, wrong, back string) {
	desk := s.Desk()
	s.show(w, r, "signin", status, page{Title: "Sign in", Body: door{
		Back: signin.LocalPath(back), GitHub: desk.HasGitHub(), Tokens: desk.HasTokens(), Wrong: wrong,
	}})
}

func (s *server) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxMessage)
	back := signin.LocalPath(r.PostFormValue("back"))
	if _, ok := s.Desk().SignIn(w, r.PostFormValue("token")); !ok {
		s.Log.Warn("sign-in refused", "from", r.RemoteAddr)
		s.showDoor(w, r, http.StatusUnauthorized, "This is no token that is known here.", back)
		return
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}

func (s *server) signOut(w http.ResponseWriter, r *http.Request) {
	s.Desk().SignOut(w)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *server) toGitHub(w http.ResponseWriter, r *http.Request) {
	if !s.Desk().HasGitHub() {
		s.fail(w, r, http.StatusNotFound, "there is no such page")
		return
	}
	s.Desk().Begin(w, r, r.URL.Query().Get("back"))
}

func (s *server) fromGitHub(w http.ResponseWriter, r *http.Request) {
	if !s.Desk().HasGitHub() {
		s.fail(w, r, http.StatusNotFound, "there is no such page")
		return
	}
	back, err := s.Desk().Finish(w, r)
	if err != nil {
		s.Log.Warn("sign-in refused", "from", r.RemoteAddr, "err", err)
		s.showDoor(w, r, http.StatusUnauthorized, err.Error(), back)
		return
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// waiting counts the releases that wait for people.
func (s *server) waiting(ctx context.Context) int {
	holds, err := s.People.Holds(ctx, false)
	if err != nil {
		return 0 // the page itself says what is wrong
	}
	return len(holds)
}
