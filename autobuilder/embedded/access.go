package embedded

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"
)

const (
	crumbField    = "Jenkins-Crumb"
	sessionCookie = "JSESSIONID"
)

// sessions make crumbs: a page of another site can make a browser send a
// request here, but cannot read the crumb that belongs to the browser's session.
type sessions struct{ key []byte }

func newSessions() sessions {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return sessions{key: key}
}

func (s sessions) crumb(session string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(session))
	return hex.EncodeToString(mac.Sum(nil))
}

// of is the request's session, which it gets if it has none.
func (s sessions) of(w http.ResponseWriter, r *http.Request) string {
	if cookie, err := r.Cookie(sessionCookie); err == nil && cookie.Value != "" {
		return cookie.Value
	}
	session := rand.Text()
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: session, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	return session
}

func (s sessions) proves(r *http.Request) bool {
	cookie, err := r.Cookie(sessionCookie)
	given := r.Header.Get(crumbField)
	return err == nil && subtle.ConstantTimeCompare([]byte(given), []byte(s.crumb(cookie.Value))) == 1
}

// guarded lets those requests pass that may.
func (s *Server) guarded(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Jenkins", apiVersion)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("X-Frame-Options", "sameorigin")
		if !s.knownHost(r) {
			refuse(w, http.StatusMisdirectedRequest, "this server is not called "+r.Host)
			return
		}
		// Browsers send a password that they know wherever a page tells them to.
		if err := crossOrigin.Check(r); err != nil {
			refuse(w, http.StatusForbidden, err.Error())
			return
		}
		if code, reason := s.admit(r); code != http.StatusOK && !s.hasJobToken(r) {
			if code == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Basic realm="Jenkins", charset="UTF-8"`)
			}
			refuse(w, code, reason)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// knownHost keeps out a web page whose own host name was made to point here:
// for the browser it would be at home, and could read the crumb.
func (s *Server) knownHost(r *http.Request) bool {
	host := hostOnly(r.Host)
	if host == "localhost" || net.ParseIP(host) != nil {
		return true
	}
	u, err := url.Parse(s.options.URL)
	return err == nil && u.Hostname() == host
}

func hostOnly(hostport string) string {
	return (&url.URL{Host: hostport}).Hostname()
}

func (s *Server) admit(r *http.Request) (int, string) {
	reading := r.Method == http.MethodGet || r.Method == http.MethodHead
	user, token, given := r.BasicAuth()
	switch {
	case s.options.Token == "" && (reading || s.session.proves(r)):
		return http.StatusOK, ""
	case s.options.Token == "":
		return http.StatusForbidden, "No valid crumb was included in the request"
	case given && s.isUser(user, token):
		return http.StatusOK, ""
	case !given && reading && s.options.AnonymousRead:
		return http.StatusOK, ""
	}
	return http.StatusUnauthorized, "Invalid password/token for user: " + user
}

// hasJobToken lets who cannot log in start a build, with the token that the job's
// config names for that, if everybody may see the job.
func (s *Server) hasJobToken(r *http.Request) bool {
	_, _, login := r.BasicAuth()
	name, start, ok := strings.Cut(strings.TrimPrefix(chi.RouteContext(r.Context()).RoutePath, "/job/"), "/")
	if login || !ok || start != "build" && start != "buildWithParameters" || s.options.Token != "" && !s.options.AnonymousRead {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name, err := url.PathUnescape(name)
	return err == nil && s.jobs[name] != nil && s.jobs[name].hasToken(r)
}

func (j *job) hasToken(r *http.Request) bool {
	given := r.URL.Query().Get("token")
	return j.spec.authToken != "" && subtle.ConstantTimeCompare([]byte(given), []byte(j.spec.authToken)) == 1
}

// byToken lets a GET start a build, which changes things, only with the job's token.
func byToken(start func(http.ResponseWriter, *http.Request, *job)) func(http.ResponseWriter, *http.Request, *job) {
	return func(w http.ResponseWriter, r *http.Request, j *job) {
		if !j.hasToken(r) {
			wrongMethod(w, r)
			return
		}
		start(w, r, j)
	}
}

func (s *Server) isUser(user, token string) bool {
	right := subtle.ConstantTimeCompare([]byte(token), []byte(s.options.Token))
	return right&subtle.ConstantTimeCompare([]byte(user), []byte(s.options.User)) == 1
}

// who is the user of an admitted request.
func who(r *http.Request) string {
	if user, _, ok := r.BasicAuth(); ok && user != "" {
		return user
	}
	return "anonymous"
}
